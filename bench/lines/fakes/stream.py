"""A voice server that speaks ``/v1/stream``: it says that it listens, then gives int16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.server import ServerConnection

from bench.lines.fakes.pcm_websocket import RATE_HZ as RATE_HZ
from bench.lines.fakes.pcm_websocket import PcmWebSocketPeer
from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import serving_by
from pipelines.wires.messages import json_text


class StreamPeer(PcmWebSocketPeer):
    """One conversation that the server has taken."""

    IN_RATE_HZ = RATE_HZ

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(connection)
        for state in ("starting", "listening"):
            self.say({"type": "status", "state": state})

    def say(self, message: dict[str, object]) -> None:
        """Sends a text message."""
        self.connection.send(json_text(message))


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(StreamPeer, play, "/v1/stream") as url:
        yield url
