"""Who has the floor: how each metric of it is read off a turn or a trial (14 to 17).

What an event of the user is (an interruption, a backchannel, a cough, side talk, a pause) is
labelled in the fixture; what the agent did is read off the recording, see `bench.timeline.replies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.metrics.of_trials import Reading, TrialView
from bench.metrics.of_turns import TurnMeasure, TurnView
from bench.metrics.validity import NO_LABELS
from bench.store.expectation import words
from bench.store.labels import IGNORED, TurnLabels
from bench.timeline.answers import Sound
from bench.timeline.replies import LEFT_UNKNOWN, ending, left_ms, reply_at, yield_ns
from bench.timeline.timeline import NO_RECORDING, Timeline
from pipelines.clock import NS_PER_MS, NS_PER_S, samples_to_ns

LIMIT_MS = 2000.0
"""A barge-in that has not stopped the agent by then is censored."""
NEEDED_LEFT_MS = 3000.0
"""Of the reply, when the user breaks in: less, and its end might be taken for a stop."""
FALSE_WITHIN_NS = NS_PER_S
"""A reply that stops so soon after the end of an event was stopped by it."""
SHORT_NS, FEW_WORDS = NS_PER_S, 3
"""A reply that is shorter, and has no more words, does not take the floor."""

NO_REPLY = "no reply was going on when the user began"
BY_ITSELF = "the reply ended by itself"
NO_EVENT = "the turn is none of these"

Interval = tuple[int, int]


# 14: barge-in


@dataclass(frozen=True, slots=True)
class BargeIn:
    """What became of the reply that an interruption broke into."""

    ms: float
    """From u_on to the reply's end, or to where watching it ended."""
    censored: str | None
    """Why ``ms`` is no stop but the time up to which there was none; None if it is a stop."""
    yields: bool | None
    """Whether it stopped within `LIMIT_MS`; None where that can't be said."""
    doubt: str | None
    """What is not known of it."""


def _barge_in(view: TurnView) -> BargeIn | str:
    """The barge-in of a turn; or why there is none."""
    if view.labels is None:
        return NO_LABELS
    if view.labels.event != "interruption":
        return NO_EVENT
    if view.turn.silence == NO_RECORDING:
        return NO_RECORDING
    timeline, on_ns = view.timeline, view.turn.u_on_ns
    reply = reply_at(timeline, on_ns)
    if reply is None:
        return NO_REPLY
    left = left_ms(timeline, reply, on_ns)
    if left is not None and left < NEEDED_LEFT_MS:
        return f"only {left:.0f} ms of the reply were left, {NEEDED_LEFT_MS:.0f} are needed"
    doubt = LEFT_UNKNOWN if left is None else None
    ms = (reply.end_ns - on_ns) / NS_PER_MS
    if ms > LIMIT_MS:
        return BargeIn(LIMIT_MS, f"censored at {LIMIT_MS:.0f} ms: it spoke on", False, doubt)
    if reply.end_ns >= _end_ns(timeline):
        return BargeIn(ms, "censored: the recording ended", None, doubt)
    end = ending(timeline, reply, on_ns)
    if not end.stopped:
        return BargeIn(ms, f"censored: {BY_ITSELF}", None, doubt)
    return BargeIn(ms, None, True, end.doubt or doubt)


def _end_ns(timeline: Timeline) -> int:
    """When the recording ends, less a sample for rounding."""
    trial = timeline.trial
    if trial.audio_s <= 0:  # not told
        return max((sound.end_ns for sound in timeline.sounds), default=0) + 1
    return trial.t0_ns + round(trial.audio_s * NS_PER_S) - samples_to_ns(1, trial.rate_hz)


def barge_in_stop(view: TurnView) -> Reading:
    """a_off − u_on where the agent stopped; null where that was not seen."""
    found = _barge_in(view)
    if isinstance(found, str):
        return Reading(None, found)
    return Reading(None, found.censored) if found.censored else Reading(found.ms, found.doubt)


def barge_in_censored(view: TurnView) -> Reading:
    """The time up to which no stop was seen, where none was."""
    found = _barge_in(view)
    if isinstance(found, str):
        return Reading(None, found)
    return Reading(found.ms, found.censored) if found.censored else Reading(None, "it stopped")


def barge_in_yield(view: TurnView) -> Reading:
    """The agent's decision to yield − u_on, where it stopped."""
    found = _barge_in(view)
    if isinstance(found, str) or found.censored:
        return Reading(None, found if isinstance(found, str) else found.censored)
    on_ns = view.turn.u_on_ns
    reply = reply_at(view.timeline, on_ns)
    decided = None if reply is None else yield_ns(view.timeline, reply, on_ns)
    if decided is None:
        return Reading(None, "the agent does not tell when it yields")
    return Reading((decided - on_ns) / NS_PER_MS)


def yield_rate(view: TurnView) -> Reading:
    """100: it stopped within `LIMIT_MS`; 0: it spoke on."""
    found = _barge_in(view)
    if isinstance(found, str):
        return Reading(None, found)
    if found.yields is None:
        return Reading(None, found.censored)
    return Reading(100.0 if found.yields else 0.0, found.doubt)


# 15: stopped or begun by what it should not


def false_interruption(view: TurnView) -> Reading:
    """100: the reply stopped during an event that wanted no answer, or up to 1 s after it."""
    if view.labels is None:
        return Reading(None, NO_LABELS)
    if view.labels.event not in IGNORED:
        return Reading(None, NO_EVENT)
    if view.turn.silence == NO_RECORDING:
        return Reading(None, NO_RECORDING)
    timeline, turn = view.timeline, view.turn
    reply = reply_at(timeline, turn.u_on_ns)
    if reply is None:
        return Reading(None, NO_REPLY)
    if reply.end_ns > turn.u_off_ns + FALSE_WITHIN_NS:
        return Reading(0.0)
    end = ending(timeline, reply, turn.u_on_ns)
    return Reading(100.0, end.doubt) if end.stopped else Reading(None, BY_ITSELF)


def pauses(view: TurnView) -> Reading:
    """How many pauses are labelled inside the turn."""
    if view.labels is None:
        return Reading(None, NO_LABELS)
    return Reading(float(len(view.labels.pauses)))


def pause_onsets(view: TurnView) -> Reading:
    """In how many of them a reply began."""
    if view.labels is None:
        return Reading(None, NO_LABELS)
    if view.turn.silence == NO_RECORDING:
        return Reading(None, NO_RECORDING)
    inside = _pauses_ns(view.labels, view.turn.u_on_ns)
    begun = [reply.start_ns for reply in view.timeline.replies]
    return Reading(float(sum(any(a <= t < b for t in begun) for a, b in inside)))


def premature_start(view: TurnView) -> Reading:
    """Pauses in which a reply began per labelled pause, in %."""
    onsets, of = pause_onsets(view), pauses(view)
    if onsets.value is None or of.value is None:
        return Reading(None, onsets.reason)
    if of.value == 0:
        return Reading(None, "no pause is labelled in the turn")
    return Reading(100 * onsets.value / of.value)


def _pauses_ns(labels: TurnLabels, u_on_ns: int) -> list[Interval]:
    """Each labelled pause, on the clock; the first audible sample was spoken at ``u_on_ns``."""

    def at(sample: int) -> int:
        return u_on_ns + samples_to_ns(sample - labels.u_on, labels.rate_hz)

    return [(at(pause.start), at(pause.end)) for pause in labels.pauses]


# 16: taking the floor


def takeover(*, strict: bool) -> TurnMeasure:
    """Makes the measure of whether a reply that began in the turn took the floor."""

    def measure(view: TurnView) -> Reading:
        turn = view.turn
        if turn.silence == NO_RECORDING:
            return Reading(None, NO_RECORDING)
        since = turn.u_off_ns if strict else turn.u_on_ns
        begun = [
            reply
            for reply in view.timeline.replies
            if reply.start_ns >= since and (turn.end_ns is None or reply.start_ns < turn.end_ns)
        ]
        if not begun:
            return Reading(0.0, "no reply began")
        if any(_length(reply) >= SHORT_NS for reply in begun):
            return Reading(100.0)
        meant = turn.answer_of("")
        if meant is None:
            return Reading(None, "a reply under 1 s, and how many words it meant is not marked")
        return Reading(100.0 if len(words(meant)) > FEW_WORDS else 0.0)

    return measure


# 17: both sides of the floor, over a whole trial


def overlap(view: TrialView) -> list[Reading]:
    """|U ∩ A| / |U ∪ A|: the time in which both spoke per time in which anybody did, in %."""
    timeline = view.timeline
    if _unheard(timeline):
        return [Reading(None, NO_RECORDING)]
    user = _user_speech(view)
    agent = _merged((sound.start_ns, sound.end_ns) for sound in timeline.sounds)
    both = sum(max(0, min(b, d) - max(a, c)) for a, b in user for c, d in agent)
    either = sum(map(_span, user)) + sum(map(_span, agent)) - both
    if either == 0:
        return [Reading(None, "nobody spoke")]
    return [Reading(100 * both / either)]


def backchannels_per_min(view: TrialView) -> list[Reading]:
    """The agent's short sounds while the user spoke, per minute of the user's speech.

    Those under 1 s that nothing cut: an answer that was taken back at once is no backchannel.
    """
    timeline = view.timeline
    if _unheard(timeline):
        return [Reading(None, NO_RECORDING)]
    user = _user_speech(view)
    spoken_ns = sum(map(_span, user))
    if spoken_ns == 0:
        return [Reading(None, "the user did not speak")]
    short = [
        reply
        for reply in timeline.replies
        if _length(reply) < SHORT_NS and any(a <= reply.start_ns < b for a, b in user)
    ]
    uncut = [r for r in short if not ending(timeline, r, r.start_ns).stopped]
    return [Reading(len(uncut) / (spoken_ns / NS_PER_S / 60))]


def not_measured(reason: str) -> Callable[[TrialView], list[Reading]]:
    """Makes the measure of what is defined and can't be measured yet; null, and it says why."""
    return lambda _: [Reading(None, f"not measured: {reason}")]


def _user_speech(view: TrialView) -> list[Interval]:
    """When the user spoke, without the labelled pauses."""
    spoken: list[Interval] = []
    for turn in view.timeline.turns:
        labels = None if view.labels is None else view.labels.of(turn.number)
        silent = [] if labels is None else _pauses_ns(labels, turn.u_on_ns)
        edges = [turn.u_on_ns, *(t for pause in silent for t in pause), turn.u_off_ns]
        spoken += zip(edges[::2], edges[1::2], strict=True)
    return _merged(spoken)


def _unheard(timeline: Timeline) -> bool:
    return not timeline.turns or timeline.turns[0].silence == NO_RECORDING


def _length(reply: Sound) -> int:
    return reply.end_ns - reply.start_ns


def _span(interval: Interval) -> int:
    return interval[1] - interval[0]


def _merged(intervals: Iterator[Interval] | Sequence[Interval]) -> list[Interval]:
    """The same time as intervals that do not overlap, by time."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
