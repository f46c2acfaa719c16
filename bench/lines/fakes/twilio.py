"""A server of Twilio Media Streams: what a telephone bot is to Twilio."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from websockets.sync.server import ServerConnection

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import WebSocketPeer, serving_by
from pipelines.wires import g711

RATE_HZ = 8_000
"""Rate of the audio that it sends."""


class TwilioPeer(WebSocketPeer):
    """One call that the server has taken.

    Args:
        connection: Of the websockets package.
    """

    IN_RATE_HZ = 8_000

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(connection)
        first, second = json.loads(connection.recv()), json.loads(connection.recv())
        assert (first["event"], second["event"]) == ("connected", "start")
        self.stream_sid: str = second["start"]["streamSid"]
        self.heard: list[dict[str, Any]] = []
        """Messages of the caller's, whole."""

    def send(self, event: str, **more: Any) -> None:
        """Sends any message."""
        self.connection.send(json.dumps({"event": event, "streamSid": self.stream_sid, **more}))

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        codes = g711.encode(np.frombuffer(pcm, np.int16))
        self.send("media", media={"payload": base64.b64encode(codes).decode()})

    def decode(self, message: str | bytes) -> npt.NDArray[np.int16] | None:
        """See `WebSocketPeer.decode`."""
        said = json.loads(message)
        self.heard.append(said)
        if said["event"] != "media":
            return None
        return g711.decode(base64.b64decode(said["media"]["payload"]))


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever calls; yields its address."""
    with serving_by(TwilioPeer, play, "/ws") as url:
        yield url
