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
    ("tts", "ahead"): "tts",
    ("tts", "request"): "tts",
}
"""A mark that opens a piece of work, and its kind. What was synthesised ahead may be over by the
time it is asked for: it is opened once."""
CLOSES: dict[StageEvent, str] = {
    ("llm", "end"): "llm",
    ("llm", "cancelled"): "llm",
    ("agent", "answer_text"): "llm",  # of a model that speaks itself, in place of llm.end
    ("llm", "tool_end"): "tool",
    ("tts", "end"): "tts",
    ("tts", "cancelled"): "tts",
}
"""A mark that closes one."""

OPENS_OF_OTHERS: dict[StageEvent, str] = {
    ("llm", "taken"): "llm",
    ("llm", "tool_start"): "tool",
    ("tts", "request"): "tts",
}
"""`OPENS` where others wrote the pipeline. A context that is handed on is work only once a model
takes it: a processor may answer it itself, or a gate drop it."""
SPOKEN: StageEvent = ("agent", "answer_text")
"""A model that hears and speaks itself has answered. It is handed the context once more after that,
with what was said, and takes it, though nothing is asked."""
ASKS: frozenset[StageEvent] = frozenset({("turn", "start"), ("llm", "tool_end")})
"""What such a model is asked for again: the user's next turn, or a function's result."""


class WatchedMarks(MarkList):
    """A list of marks that reports each time the number of open requests changes."""

    def __init__(self) -> None:
        super().__init__()
        self._open: set[tuple[str, str]] = set()
        self._ahead: set[str] = set()
        self._opens = OPENS
        self._is_asked = True
        self._report: Callable[[int], None] = lambda count: None

    def report_to(self, report: Callable[[int], None]) -> None:
        """Begins a conversation: nothing is open, and ``report`` is given each new number."""
        self._open.clear()
        self._ahead.clear()
        self._opens = OPENS
        self._is_asked = True
        self._report = report

    def put(self, mark: Mark) -> None:
        """Appends the mark."""
        super().put(mark)
        event = (mark.stage, mark.event)
        before = len(self._open)
        if event in ASKS or event == SPOKEN:
            self._is_asked = event in ASKS
        if event == ("agent", "guest"):
            self._opens = OPENS_OF_OTHERS
        elif event == ("llm", "request") and event not in self._opens:
            # From here on the frames are taken to be of this request: no other's end will be seen.
            self._open = {work for work in self._open if work[0] != "llm"}
        elif self._is_no_new_work(mark):
            return
        elif event in self._opens:
            if event == ("tts", "ahead"):
                self._ahead.add(mark.request_id)
            self._open.add((self._opens[event], mark.request_id))
        elif event in CLOSES:
            self._open.discard((CLOSES[event], mark.request_id))
        if len(self._open) != before:
            self._report(len(self._open))

    def _is_no_new_work(self, mark: Mark) -> bool:
        """A context that asks nothing, or a text that was synthesised ahead."""
        if (mark.stage, mark.event) == ("llm", "taken"):
            return not self._is_asked
        return (mark.stage, mark.event) == ("tts", "request") and mark.request_id in self._ahead
