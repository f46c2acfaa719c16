"""A Moshi server without a model: the handshake, Opus in Ogg, pieces of text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import serving_by
from pipelines.wires import moshi

RATE_HZ = moshi.RATE_HZ
"""Rate of the audio that it sends."""
CHUNK_SAMPLES = RATE_HZ // 50
"""Samples of one of the caller's chunks, 20 ms."""


class MoshiPeer:
    """One session that the server has taken.

    Args:
        connection: Of the websockets package.
    """

    def __init__(self, connection: ServerConnection) -> None:
        import sphn

        self.connection = connection
        self._reader: Any = sphn.OpusStreamReader(RATE_HZ)
        self._writer: Any = sphn.OpusStreamWriter(RATE_HZ)
        self._samples = 0
        connection.send(moshi.message(moshi.HANDSHAKE))

    def say(self, piece: str) -> None:
        """Sends a piece of text."""
        self.connection.send(moshi.message(moshi.TEXT, piece.encode()))

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`; Opus takes multiples of 20 ms."""
        page = self._writer.append_pcm(np.frombuffer(pcm, np.int16).astype(np.float32) / 32_768)
        self.connection.send(moshi.message(moshi.AUDIO, page))

    def wait_for_chunk(self, k: int) -> None:
        """See `Peer.wait_for_chunk`, to the 40 ms of a page."""
        while self._samples <= k * CHUNK_SAMPLES:
            try:
                data = self.connection.recv()
            except ConnectionClosed:
                return
            assert isinstance(data, bytes) and data[0] == moshi.AUDIO
            self._samples += len(self._reader.append_bytes(data[1:]))


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(MoshiPeer, play, "/api/chat") as url:
        yield url
