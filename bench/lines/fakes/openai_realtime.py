"""A server of OpenAI's Realtime protocol, by today's names of its events."""

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

RATE_HZ = 24_000
"""Rate of the audio that it sends."""


class OpenAIPeer(WebSocketPeer):
    """One session that the server has taken.

    Args:
        connection: Of the websockets package.
    """

    IN_RATE_HZ = 24_000

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(connection)
        self.send("session.created", session={"type": "realtime"})
        self.session: dict[str, Any] = json.loads(connection.recv())["session"]
        """The caller's ``session.update``."""
        self.send("session.updated", session=self.session)
        self.heard: list[dict[str, Any]] = []
        """Events of the caller's, but for audio."""
        self.response = 0
        """Number of the answer that audio belongs to."""

    def send(self, kind: str, **more: Any) -> None:
        """Sends any event."""
        self.connection.send(json.dumps({"type": kind, "event_id": "event_1", **more}))

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`; all of it belongs to one answer, until ``response`` is counted up."""
        self.send(
            "response.output_audio.delta",
            response_id=f"resp_{self.response}",
            item_id=f"item_{self.response}",
            output_index=0,
            content_index=0,
            delta=base64.b64encode(pcm).decode(),
        )

    def decode(self, message: str | bytes) -> npt.NDArray[np.int16] | None:
        """See `WebSocketPeer.decode`."""
        event = json.loads(message)
        if event["type"] == "input_audio_buffer.append":
            return np.frombuffer(base64.b64decode(event["audio"]), np.int16)
        self.heard.append(event)
        return None


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(OpenAIPeer, play, "/v1/realtime?model=fake") as url:
        yield url
