"""What an agent elsewhere says of its own audio: which of it only fills a wait, and what answers."""

from __future__ import annotations

from bench.timeline.answers import Sound
from bench.timeline.timeline import Timeline, Turn
from pipelines.clock import samples_to_ns

FILLER = "filler"
"""Text of the mark before audio that fills a wait; before other audio it is another."""


def first_sounds(timeline: Timeline, turn: Turn) -> tuple[int | None, int | None] | None:
    """First audible samples of a turn's filler and of its answer, each None where none was heard.

    Returns:
        None where the agent says nothing of its audio, or the turn was not answered.
    """
    told = [(m.value or 0.0, m.text == FILLER) for m in timeline.all("line", "filler")]
    if not told or turn.a_on_ns is None:
        return None
    filler_ns: int | None = None
    for mark in timeline.all("ear", "heard"):
        end_ns = mark.t_ns + samples_to_ns(int(mark.value or 0), timeline.trial.rate_hz)
        if turn.end_ns is not None and mark.t_ns >= turn.end_ns:
            break
        on_ns = _audible_from(timeline.sounds, max(mark.t_ns, turn.a_on_ns), end_ns)
        if on_ns is None:
            continue
        number = int(mark.request_id.rpartition(":")[2])
        if not next((filler for first, filler in reversed(told) if first <= number), False):
            return filler_ns, on_ns
        filler_ns = on_ns if filler_ns is None else filler_ns
    return filler_ns, None


def _audible_from(sounds: tuple[Sound, ...], start_ns: int, end_ns: int) -> int | None:
    """The first audible sample between two times."""
    found = next((s for s in sounds if s.end_ns > start_ns), None)
    if found is None or max(found.start_ns, start_ns) >= end_ns:
        return None
    return max(found.start_ns, start_ns)
