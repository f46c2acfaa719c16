"""A server of Twilio Media Streams: what a telephone bot is to Twilio."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import serving_by
from pipelines.wires import g711

RATE_HZ = 8_000
"""Rate of the audio that it sends."""


class TwilioPeer:
    """One call that the server has taken.

    Args:
        connection: Of the websockets package.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        first, second = json.loads(connection.recv()), json.loads(connection.recv())
        assert (first["event"], second["event"]) == ("connected", "start")
        self.stream_sid: str = second["start"]["streamSid"]
        self.heard: list[dict[str, Any]] = []
        """Messages of the caller's, whole."""
        self._media = 0

    def send(self, event: str, **more: Any) -> None:
        """Sends any message."""
        self.connection.send(json.dumps({"event": event, "streamSid": self.stream_sid, **more}))

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        codes = g711.encode(np.frombuffer(pcm, np.int16))
        self.send("media", media={"payload": base64.b64encode(codes).decode()})

    def wait_for_chunk(self, k: int) -> None:
        """See `Peer.wait_for_chunk`; a ``media`` is a chunk."""
        while self._media <= k:
            try:
                message = json.loads(self.connection.recv())
            except ConnectionClosed:
                return
            self.heard.append(message)
            self._media += message["event"] == "media"


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever calls; yields its address."""
    with serving_by(TwilioPeer, play, "/ws") as url:
        yield url
