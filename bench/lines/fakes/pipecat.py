"""A bot under Pipecat's runner, as its protobuf WebSocket shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import serving_by
from pipelines.wires import pipecat_frames

RATE_HZ = 24_000
"""Rate of the audio that it sends."""


class PipecatPeer:
    """One conversation that the bot has taken.

    Args:
        connection: Of the websockets package.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.messages: list[str] = []
        """RTVI messages of the caller's."""
        self._received = 0

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        self.connection.send(pipecat_frames.audio(np.frombuffer(pcm, np.int16), RATE_HZ))

    def wait_for_chunk(self, k: int) -> None:
        """See `Peer.wait_for_chunk`; a frame of audio is a chunk."""
        while self._received <= k:
            try:
                data = self.connection.recv()
            except ConnectionClosed:
                return
            frame = pipecat_frames.read(data if isinstance(data, bytes) else data.encode())
            if isinstance(frame, pipecat_frames.MessageFrame):
                self.messages.append(frame.data)
            self._received += isinstance(frame, pipecat_frames.AudioFrame)


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a bot on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(PipecatPeer, play, "/ws-client") as url:
        yield url
