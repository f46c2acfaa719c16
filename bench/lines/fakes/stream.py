"""A voice server that speaks ``/v1/stream``: it says that it listens, then gives int16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from bench.lines.fakes.pcm_websocket import RATE_HZ as RATE_HZ
from bench.lines.fakes.pcm_websocket import PcmWebSocketPeer
from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import serving_by
from pipelines.wires.messages import json_object, json_text


class StreamPeer(PcmWebSocketPeer):
    """One conversation that the server has taken."""

    IN_RATE_HZ = RATE_HZ

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(connection)
        self.texts: list[str] = []
        """What the caller has written."""
        for state in ("starting", "listening"):
            self.say({"type": "status", "state": state})

    def decode(self, message: str | bytes) -> npt.NDArray[np.int16] | None:
        """See `WebSocketPeer.decode`; keeps what is written."""
        if isinstance(message, str):
            said = json_object(message)
            self.texts += [str(said["text"])] if said.get("type") == "text" else []
        return super().decode(message)

    def wait_for_text(self, number: int) -> str:
        """Reads until the caller has written so many texts; the last of them, or none."""
        while len(self.texts) < number:
            try:
                pcm = self.decode(self.connection.recv())
            except ConnectionClosed:
                return ""
            self._samples += 0 if pcm is None else len(pcm)
        return self.texts[number - 1]

    def say(self, message: dict[str, object]) -> None:
        """Sends a text message."""
        self.connection.send(json_text(message))


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(StreamPeer, play, "/v1/stream") as url:
        yield url
