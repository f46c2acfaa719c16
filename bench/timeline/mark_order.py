"""Checks that no effect lies before its cause: marks that do come from clocks that differ.

Every figure is a difference of two marks, perhaps of two processes. So a trial in which an effect
lies before its cause is refused as a whole, and the error names the two marks.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.timeline.timeline import ByEvent, by_event
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.marks import Mark, StageEvent

ORDER: tuple[tuple[StageEvent, StageEvent], ...] = (
    (("user", "speech_on"), ("user", "speech_off")),
    (("link", "write"), ("ear", "received")),
    (("link", "write"), ("ear", "heard")),
    (("stt", "request"), ("stt", "final")),
    (("llm", "request"), ("llm", "first_token")),
    (("llm", "first_token"), ("llm", "end")),
    (("tts", "request"), ("tts", "first_byte")),
    (("tts", "first_byte"), ("tts", "end")),
    (("watch", "phrase"), ("watch", "read")),
    (("watch", "call"), ("watch", "plan_start")),
    (("watch", "plan_start"), ("watch", "plan_end")),
)
"""(cause, effect), of one request, or of one turn of the user. A stage without an end is left
out."""

EARLIER: dict[StageEvent, StageEvent] = {("tts", "ahead"): ("tts", "request")}
"""Event → the cause that it stands for, where both are there: work that was done ahead."""

_EFFECTS: dict[StageEvent, tuple[StageEvent, ...]] = {
    effect: tuple(cause for cause, of in ORDER if of == effect) for _, effect in ORDER
}


class MarkOrderError(LabError):
    """An effect lies before its cause; the text is one sentence that names both marks."""


def check_order(trial_id: str, marks: Sequence[Mark], events: ByEvent | None = None) -> None:
    """Checks a trial's marks.

    Args:
        trial_id: Name of the trial, for the message.
        marks: In any order.
        events: The same, by event; None groups them.

    Raises:
        MarkOrderError: two marks of one request, or turn, lie in the wrong order.
    """
    if not _is_ordered(by_event(marks) if events is None else events):
        _refuse(trial_id, marks)


def _is_ordered(events: ByEvent) -> bool:
    """No effect lies before its cause: event by event, without a look at the many others."""
    first: dict[StageEvent, dict[tuple[str, int], int]] = {}
    for cause, effect in ORDER:
        if effect not in events:
            continue
        if cause not in first:
            first[cause] = _first(events, cause)
        begun = first[cause]
        if any(mark.t_ns < begun.get(_whose(mark), mark.t_ns) for mark in events[effect]):
            return False
    return True


def _first(events: ByEvent, cause: StageEvent) -> dict[tuple[str, int], int]:
    """Whose work → when a cause, or what stands for it, was first marked, ns."""
    first: dict[tuple[str, int], int] = {}
    for name in (cause, *(event for event, of in EARLIER.items() if of == cause)):
        for mark in events.get(name, ()):
            whose = _whose(mark)
            first[whose] = min(mark.t_ns, first.get(whose, mark.t_ns))
    return first


def _refuse(trial_id: str, marks: Sequence[Mark]) -> None:
    """Names the first of the marks that lies before its cause."""
    events = by_event(marks)
    first = {cause: _first(events, cause) for cause, _ in ORDER}
    for mark in marks:
        for cause in _EFFECTS.get((mark.stage, mark.event), ()):
            cause_ns = first[cause].get(_whose(mark))
            if cause_ns is not None and mark.t_ns < cause_ns:
                raise MarkOrderError(_sentence(trial_id, mark, cause, cause_ns))


def _whose(mark: Mark) -> tuple[str, int]:
    """The field that the two marks must share: the user's have a turn, the others a request."""
    return ("", mark.turn) if mark.stage == "user" else (mark.request_id, -1)


def _sentence(trial_id: str, mark: Mark, cause: StageEvent, cause_ns: int) -> str:
    of = f"turn {mark.turn}" if mark.stage == "user" else f"request {mark.request_id!r}"
    early_ms = (cause_ns - mark.t_ns) / NS_PER_MS
    return (
        f"Trial {trial_id}: the mark {mark.stage}.{mark.event} of {of} lies {early_ms:.3f} ms "
        f"before {'.'.join(cause)}, which comes first: they were stamped by clocks that differ, or "
        "the file was changed; measure the trial again."
    )
