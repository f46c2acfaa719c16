"""A Moshi server without a model: the handshake, Opus in Ogg, pieces of text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from websockets.sync.server import ServerConnection

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import WebSocketPeer, serving_by
from pipelines.wires import moshi

RATE_HZ = moshi.RATE_HZ
"""Rate of the audio that it sends."""


class MoshiPeer(WebSocketPeer):
    """One session that the server has taken.

    Args:
        connection: Of the websockets package.
    """

    IN_RATE_HZ = RATE_HZ

    def __init__(self, connection: ServerConnection) -> None:
        import sphn

        super().__init__(connection)
        self._reader: Any = sphn.OpusStreamReader(RATE_HZ)
        self._writer: Any = sphn.OpusStreamWriter(RATE_HZ)
        connection.send(moshi.message(moshi.HANDSHAKE))

    def say(self, piece: str) -> None:
        """Sends a piece of text."""
        self.connection.send(moshi.message(moshi.TEXT, piece.encode()))

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`; Opus takes multiples of 20 ms."""
        page = self._writer.append_pcm(np.frombuffer(pcm, np.int16).astype(np.float32) / 32_768)
        self.connection.send(moshi.message(moshi.AUDIO, page))

    def decode(self, message: str | bytes) -> npt.NDArray[np.int16] | None:
        """See `WebSocketPeer.decode`; audio comes by the 40 ms of a page."""
        assert isinstance(message, bytes) and message[0] == moshi.AUDIO
        pcm = self._reader.append_bytes(message[1:])
        return np.asarray(np.rint(pcm * 32_767), np.int16)


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(MoshiPeer, play, "/api/chat") as url:
        yield url
