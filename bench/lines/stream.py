"""The line to ``/v1/stream`` of ``duplex-lab serve``: int16 in binary messages, JSON for the rest.

The server listens once it says so; after ``interrupted`` what is not yet heard is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from bench.lines.line import Bye, Chunk, Event, Fact, LineRow, Ready, Words
from bench.lines.options import StreamOptions
from bench.lines.websocket_line import WebSocketLine
from pipelines.marks import EventName
from pipelines.wires.messages import json_object, sample_bytes, samples

RATE_HZ = 24_000
"""Rate of both directions."""
FACTS: dict[str, tuple[EventName, str]] = {
    "tool_call": ("tool_call", "name"),
    "tool_result": ("tool_result", "name"),
    "memory": ("memory", "injected"),
    "fallback": ("fallback", "new"),
}
"""Type of a message → the event of its mark, and the field that is the mark's text."""


class Stream(WebSocketLine):
    """One conversation.

    Args:
        url: ``ws://host:port/v1/stream`` of the server.
        preset: One of the server's presets; empty: its default.
        headers: Headers of the HTTP request, a token among them.

    Raises:
        LineError: the URL is not one of a WebSocket.
    """

    def __init__(
        self, url: str, preset: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(_with_preset(url, preset), headers)
        self._is_ready = False

    def encode(self, chunk: Chunk) -> bytes:
        """A chunk as one message."""
        return self.channel.send(sample_bytes(chunk.pcm))

    def written(self, text: str) -> bytes:
        """``text``."""
        return self.channel.send({"type": "text", "text": text})

    def bye(self) -> bytes:
        """``stop``, and a normal close."""
        self.channel.queue({"type": "stop"})
        return self.channel.close()

    def binary(self, message: bytes) -> list[Event]:
        """Audio."""
        return [self.audio(samples(message))]

    def text(self, message: str) -> list[Event]:
        """State, words, errors, what the audio is, and what the agent reports that it did."""
        said = json_object(message)
        kind, text = said.get("type"), str(said.get("text", ""))
        if kind == "status":
            return self._status(said)
        if kind == "error":
            return [Words("error", str(said.get("message", "")))]
        if kind == "audio":
            what = "filler" if said.get("is_filler") is True else "answer"
            return [Fact("filler", self._chunks, what)]
        if isinstance(kind, str) and kind in FACTS:
            event, key = FACTS[kind]
            return [Fact(event, text=_told(said.get(key)))]
        if kind != "transcript":
            return []
        if said.get("who") == "agent":
            return [Words("agent", text)]
        return [Words("user", text)] if said.get("final") else []

    def _status(self, said: Mapping[str, object]) -> list[Event]:
        state = said.get("state")
        if state == "listening" and not self._is_ready:
            self._is_ready = True
            return [Ready(RATE_HZ)]
        if state == "interrupted":
            spoke = said.get("spoke", True)  # a server of before this field does not say
            return [self.clear(), Fact("clear")] if spoke else [self.clear()]
        return [Bye(str(said.get("reason", "")))] if state == "closed" else []


def _told(value: object) -> str:
    """What a message says, as a mark's text."""
    return " · ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _with_preset(url: str, preset: str) -> str:
    if not preset:
        return url
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode({"preset": preset}))))
    return urlunsplit(parts._replace(query=query))


ROW = LineRow(
    "stream",
    "duplex-lab's own voice server (serve), by /v1/stream: int16 and JSON over a WebSocket",
    connects="caller",
    make=Stream,
    options=StreamOptions,
    in_rate_hz=lambda options: RATE_HZ,
)
