"""A server that takes and gives raw PCM in the binary messages of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import WebSocketPeer, serving_by

RATE_HZ = 24_000
"""Rate of the audio that it sends."""


class PcmWebSocketPeer(WebSocketPeer):
    """One conversation that the server has taken."""

    def decode(self, message: str | bytes) -> npt.NDArray[np.int16] | None:
        """See `WebSocketPeer.decode`."""
        return np.frombuffer(message, np.int16) if isinstance(message, bytes) else None

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        self.connection.send(pcm)


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(PcmWebSocketPeer, play) as url:
        yield url
