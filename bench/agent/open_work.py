"""How much of an agent's work is open, read off its marks as they are taken.

The caller must not hang up while the agent still thinks, calls a function or speaks: a filler
("let me check") is followed by silence, and the answer comes after it.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.marks import Mark, MarkList, StageEvent

OPENS: dict[StageEvent, str] = {
    ("llm", "request"): "llm",
    ("llm", "tool_start"): "tool",
    ("tts", "request"): "tts",
}
"""A mark that opens a piece of work, and its kind."""
CLOSES: dict[StageEvent, str] = {
    ("llm", "end"): "llm",
    ("llm", "cancelled"): "llm",
    ("agent", "answer_text"): "llm",  # of a model that speaks itself, in place of llm.end
    ("llm", "tool_end"): "tool",
    ("tts", "end"): "tts",
    ("tts", "cancelled"): "tts",
}
"""A mark that closes one."""


ASKS: frozenset[StageEvent] = frozenset(
    {("turn", "start"), ("turn", "release"), ("vad", "speech_stop"), ("llm", "tool_end")}
)
"""What a language model is asked for: a turn of the user, or a function's result. A model that
hears and speaks itself is handed the context once more after its answer, which asks for nothing."""


class WatchedMarks(MarkList):
    """A list of marks that reports each time the number of open requests changes."""

    def __init__(self) -> None:
        super().__init__()
        self._open: set[tuple[str, str]] = set()
        self._is_asked = False
        """Whether something has happened that a language model is asked for."""
        self._report: Callable[[int], None] = lambda count: None

    def report_to(self, report: Callable[[int], None]) -> None:
        """Begins a conversation: nothing is open, and ``report`` is given each new number."""
        self._open.clear()
        self._is_asked = False
        self._report = report

    def put(self, mark: Mark) -> None:
        """Appends the mark."""
        super().put(mark)
        event = (mark.stage, mark.event)
        before = len(self._open)
        if event in ASKS:
            self._is_asked = True
        if event in OPENS and (event != ("llm", "request") or self._is_asked):
            self._open.add((OPENS[event], mark.request_id))
        elif event in CLOSES:
            closed = (CLOSES[event], mark.request_id)
            if event == ("agent", "answer_text") or (closed in self._open and closed[0] == "llm"):
                self._is_asked = False
            self._open.discard(closed)
        if len(self._open) != before:
            self._report(len(self._open))
