"""One turn on paper: its critical path as a chain of waits, and the same chain with other times.

What a stage waited for is read from the marks, so that a stage that becomes faster moves the answer
only until something else is what was waited for. With no change at all the chain ends at the
measured a_on, to the nanosecond. What the marks can't say is refused and not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.causes.cause import LEAST_MS, Case
from bench.causes.end_of_turn import (
    pipeline_behind,
    stop_before_transcript,
    turn_stop_timeout,
)
from bench.metrics.reading import TurnReading
from bench.timeline.critical_path import Path
from bench.whatif.change import Change
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark

HELD_MS = 20.0
"""Time after the release within which text that was ready before it is handed over, ms."""

HELD = (
    "the answer was begun before the release and held: when its text was ready is not marked, so "
    "how much earlier it could be is not known"
)
HELD_SLOWER = (
    "the answer was begun before the release and held: how much slower it may become before it is "
    "late is not marked"
)
QUEUED = (
    "frames waited in the pipeline's queue before the release: how long, under other times, is not "
    "known"
)
GIVEN_UP = "the turn was ended by the limit for all strategies, whose start is not marked"
NO_STOP = "no vad.speech_stop mark between u_off and the release"
NO_FINAL = "no stt.final mark by the release"
NO_TOKEN = "no llm.first_token mark of the answer's request"
NO_HANDOVER = "no llm.to_tts mark: it lies in llm_to_clause"

Changes = Mapping[str, Change]
"""Stage → what is to become of it."""
Become = Callable[[str, int], int]
"""Makes a stage's time, ns, what it becomes."""


class CantSayError(Exception):
    """A turn's answer can't be predicted; its text says why."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a turn's answer waited for. Times in ns; None where there is no such mark."""

    path: Path
    """The critical path; it is whole."""
    case: Case
    """The turn, for what is known of its waits."""
    stop: int | None
    """The VAD's stop that the release waited for: the last between u_off and the release."""
    final: int | None
    """The last transcript by the release."""
    verdict: int | None
    """The end-of-turn model's last verdict between that stop and the release."""
    first_token: int | None
    """The first token of the request that led to the answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """When what would happen. Times in ns on the trial's clock."""

    stop: int
    """The VAD's stop; the release, where no stop is marked."""
    release: int
    write: int
    heard: int
    a_on: int
    times: Mapping[str, int]
    """Stage → its length; only those that this turn has."""


def course_of(turn: TurnReading) -> Course:
    """Reads what a turn's answer waited for.

    Raises:
        CantSayError: its critical path is not whole.
    """
    path, of = turn.path, turn.turn
    if path.missing is not None or path.release is None:
        raise CantSayError(f"no {path.missing} on the critical path")
    release = path.release

    def last(marks: list[Mark], since: int) -> int | None:
        times = [m.t_ns for m in marks if since <= m.t_ns <= release]
        return times[-1] if times else None

    stop = last(of.all("vad", "speech_stop"), path.u_off)
    tokens = [m.t_ns for m in of.all("llm", "first_token") if m.request_id == path.llm_id]
    return Course(
        path=path,
        case=Case(turn.timeline, of, path, turn.content),
        stop=stop,
        final=last(of.all("stt", "final"), of.u_on_ns),
        verdict=None if stop is None else last(of.all("turn", "analysis"), stop),
        first_token=tokens[0] if tokens and path.llm_id else None,
    )


def played(course: Course, changes: Changes) -> Outcome:
    """The turn with other times of some stages.

    Raises:
        CantSayError: what would happen can't be told from the marks.
    """
    times: dict[str, int] = {}

    def become(stage: str, ns: int) -> int:
        change = changes.get(stage)
        times[stage] = ns if change is None else change.of(ns)
        return times[stage]

    path = course.path
    stop, release = _released(course, changes, become)
    release = path.u_off + become("endpointing_delay", release - path.u_off)
    tts_request = _asked(course, changes, become, release)
    # A whole path has all of these.
    assert path.tts_request is not None and path.first_byte is not None
    assert path.write is not None and path.heard is not None and path.a_on is not None
    ttfb = path.first_byte - path.tts_request
    lead = path.a_on - path.heard
    slower = changes.get("tts_ttfb") or changes.get("tts_ttfa")
    if _is_eager(path) and ttfb == 0 and slower is not None and slower.of(ttfb) > ttfb:
        raise CantSayError(HELD_SLOWER)
    ttfa = become("tts_ttfa", become("tts_ttfb", ttfb) + lead)
    made = max(min(0, ttfa), ttfa - lead)
    write = tts_request + made + become("gap_tts_to_link", path.write - path.first_byte)
    heard = write + become("output", path.heard - path.write)
    return Outcome(stop or release, release, write, heard, heard + ttfa - made, times)


def _released(course: Course, changes: Changes, become: Become) -> tuple[int | None, int]:
    """The VAD's stop, and the turn's release."""
    path, stop = course.path, course.stop
    assert path.release is not None
    asked = {"vad_stop", "stt_tail", "end_of_turn_model", "release_wait"} & changes.keys()
    if stop is None:
        if asked:
            raise CantSayError(NO_STOP)
        return None, path.release
    if "stt_tail" in asked and course.final is None:
        raise CantSayError(NO_FINAL)
    then = path.u_off + become("vad_stop", stop - path.u_off)
    was, known = [stop], [then]
    if course.final is not None:
        was.append(course.final)
        tail = become("stt_tail", max(0, course.final - stop))
        known.append(then + tail if tail else course.final if course.final < stop else then)
    if course.verdict is not None:
        was.append(course.verdict)
        known.append(then + become("end_of_turn_model", course.verdict - stop))
    wait = path.release - max(was)
    if asked and wait >= LEAST_MS * NS_PER_MS and "release_wait" not in asked:
        release = max(max(known), _after_timer(course, then, known))
        become("release_wait", release - max(known))
        return then, release
    return then, max(known) + become("release_wait", wait)


def _after_timer(course: Course, stop: int, known: Sequence[int]) -> int:
    """When the timer runs out that the release waited for, ns: most begin at the VAD's stop.

    Args:
        course: The turn as it was.
        stop: The VAD's stop as it would be, ns.
        known: What else would be known when: the stop, the transcript, the verdict.
    """
    case, release = course.case, course.path.release
    assert course.stop is not None and release is not None
    if pipeline_behind(case) is not None:
        raise CantSayError(QUEUED)
    if turn_stop_timeout(case) is not None:
        raise CantSayError(GIVEN_UP)
    if stop_before_transcript(case) is not None and course.final is not None:
        return known[1] + release - course.final
    return stop + release - course.stop


def _asked(course: Course, changes: Changes, become: Become, release: int) -> int:
    """When the synthesiser would be asked, ns."""
    path = course.path
    assert path.release is not None and path.tts_request is not None
    if path.is_line:
        return release + become("gap_release_to_llm", path.tts_request - path.release)
    handed = _handed(course, changes, become, release)
    assert path.handed is not None
    if path.to_tts is None and "gap_llm_to_tts" in changes:
        raise CantSayError(NO_HANDOVER)
    return handed + become("gap_llm_to_tts", path.tts_request - path.handed)


def _handed(course: Course, changes: Changes, become: Become, release: int) -> int:
    """When the language model's first text would be handed over, ns."""
    path = course.path
    assert path.release is not None and path.llm_request is not None and path.handed is not None
    if "llm_ttft" in changes and course.first_token is None:
        raise CantSayError(NO_TOKEN)
    own = path.handed - path.llm_request
    if course.first_token is not None:
        token = min(course.first_token, path.handed) - path.llm_request
        own += become("llm_ttft", token) - token
    own = become("llm_to_clause", own)
    if not _is_eager(path):
        gap = become("gap_release_to_llm", path.llm_request - path.release)
        return release + gap + own
    ready, since = path.llm_request + own, path.handed - path.release
    if since > HELD_MS * NS_PER_MS:
        return max(ready, release)  # it was not ready at the release
    if release < path.release:
        raise CantSayError(HELD)
    if ready > path.handed:
        raise CantSayError(HELD_SLOWER)
    return release + since


def _is_eager(path: Path) -> bool:
    """The language model was asked before the turn's release."""
    return (
        path.release is not None
        and path.llm_request is not None
        and path.llm_request < path.release
    )
