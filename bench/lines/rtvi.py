"""What RTVI's messages mean to the caller, on both of Pipecat's lines: words, open work, errors."""

from __future__ import annotations

from bench.lines.line import Event, Words, Work
from pipelines.wires.rtvi import Rtvi

_WORKS = {
    "bot-llm-started": ("llm", 1),
    "bot-llm-stopped": ("llm", 0),
    "llm-function-call-in-progress": ("tool", 1),
    "llm-function-call-stopped": ("tool", 0),
}
"""RTVI message → the work that it opens (1) or ends (0)."""
INTERRUPTED = "bot-interrupted"
"""The message by which a bot says that it has dropped what it had not sent yet."""


class RtviEvents:
    """Reads the messages of one conversation."""

    def __init__(self) -> None:
        self._open: set[str] = set()

    def of(self, message: Rtvi) -> list[Event]:
        """The events of a message; none: it means nothing to the caller."""
        if message.type in _WORKS:
            return [self._work(message)]
        if message.type == "bot-llm-text":
            return [Words("agent", message.text("text"))]
        if message.type == "user-transcription" and message.data.get("final"):
            return [Words("user", message.text("text"))]
        if message.type == "error":
            return [Words("error", message.text("error") or message.text("message"))]
        return []

    def _work(self, message: Rtvi) -> Work:
        kind, opens = _WORKS[message.type]
        call = f"{kind}:{message.text('tool_call_id')}"
        (self._open.add if opens else self._open.discard)(call)
        return Work(len(self._open))
