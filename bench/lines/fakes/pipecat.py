"""A bot under Pipecat's runner, as its protobuf WebSocket shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from websockets.sync.server import ServerConnection

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import WebSocketPeer, serving_by
from pipelines.wires import pipecat_frames

RATE_HZ = 24_000
"""Rate of the audio that it sends."""


class PipecatPeer(WebSocketPeer):
    """One conversation that the bot has taken.

    Args:
        connection: Of the websockets package.
    """

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(connection)
        self.messages: list[str] = []
        """RTVI messages of the caller's."""

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        self.connection.send(pipecat_frames.audio(np.frombuffer(pcm, np.int16), RATE_HZ))

    def decode(self, message: str | bytes) -> npt.NDArray[np.int16] | None:
        """See `WebSocketPeer.decode`."""
        frame = pipecat_frames.read(message if isinstance(message, bytes) else message.encode())
        if isinstance(frame, pipecat_frames.MessageFrame):
            self.messages.append(frame.data)
        return frame.pcm if isinstance(frame, pipecat_frames.AudioFrame) else None


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a bot on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(PipecatPeer, play, "/ws-client") as url:
        yield url
