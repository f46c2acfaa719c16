"""Turn-taking: barge-ins, false interruptions, early starts, takeovers, overlap (14 to 17).

What an event of the user is (an interruption, a backchannel, a cough, side talk, a pause) is
labelled in the fixture; what the agent did is read off the recording, see `bench.timeline.replies`.

A time that is censored is no stop: ``barge_in_stop`` is null there, and ``barge_in_censored`` holds
how long there was none. Kaplan and Meier's estimate takes the two together; the mean of either
alone would flatter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.metrics.metric import Figure, Metric, TrialMeasure, TurnMeasure, Unit
from bench.metrics.reading import TrialReading, TurnReading
from bench.metrics.validity import NO_LABELS
from bench.store.labels import IGNORED, TurnLabels
from bench.store.words import words
from bench.timeline.answers import Sound
from bench.timeline.replies import (
    FALSE_WITHIN_NS,
    LEFT_UNKNOWN,
    Interval,
    ending,
    left_ms,
    reply_at,
    yield_ns,
)
from bench.timeline.timeline import NO_RECORDING, Timeline
from pipelines.clock import NS_PER_MS, NS_PER_S, samples_to_ns

LIMIT_MS = 2000.0
"""Time after which a barge-in that has not stopped the agent is censored, ms."""
NEEDED_LEFT_MS = 3000.0
"""Least rest of the reply at a barge-in, ms; with less, its end might be taken for a stop."""
SHORT_NS, FEW_WORDS = NS_PER_S, 3
"""Longest reply, and most words, that do not take the turn."""

NO_REPLY = "no reply was going on when the user began"
BY_ITSELF = "the reply ended by itself"
NO_EVENT = "the turn is none of these"


# 14: barge-in


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The outcome of a reply that an interruption broke into."""

    ms: float
    """Time from u_on to the reply's end, or to the end of the observation."""
    censored: str | None
    """Why ``ms`` is a lower bound and not a stop; None if it is a stop."""
    yields: bool | None
    """True if it stopped within `LIMIT_MS`; None where that is unknown."""
    doubt: str | None
    """Why the outcome is not certain."""


def _barge_in(reading: TurnReading) -> BargeIn | str:
    """The barge-in of a turn; or why there is none."""
    if reading.labels is None:
        return NO_LABELS
    if reading.labels.event != "interruption":
        return NO_EVENT
    if reading.turn.silence == NO_RECORDING:
        return NO_RECORDING
    timeline, on_ns = reading.timeline, reading.turn.u_on_ns
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
    if trial.audio_s <= 0:  # not stored
        return max((sound.end_ns for sound in timeline.sounds), default=0) + 1
    return trial.t0_ns + round(trial.audio_s * NS_PER_S) - samples_to_ns(1, trial.rate_hz)


def barge_in_stop(reading: TurnReading) -> Figure:
    """a_off − u_on where the agent stopped; null where that was not seen."""
    found = _barge_in(reading)
    if isinstance(found, str):
        return Figure(None, found)
    return Figure(None, found.censored) if found.censored else Figure(found.ms, found.doubt)


def barge_in_censored(reading: TurnReading) -> Figure:
    """The time up to which no stop was seen, where none was."""
    found = _barge_in(reading)
    if isinstance(found, str):
        return Figure(None, found)
    return Figure(found.ms, found.censored) if found.censored else Figure(None, "it stopped")


def barge_in_yield(reading: TurnReading) -> Figure:
    """The agent's decision to yield − u_on, where it stopped."""
    found = _barge_in(reading)
    if isinstance(found, str) or found.censored:
        return Figure(None, found if isinstance(found, str) else found.censored)
    on_ns = reading.turn.u_on_ns
    reply = reply_at(reading.timeline, on_ns)
    decided = None if reply is None else yield_ns(reading.timeline, reply, on_ns)
    if decided is None:
        return Figure(None, "the agent does not report when it yields")
    return Figure((decided - on_ns) / NS_PER_MS)


def yield_rate(reading: TurnReading) -> Figure:
    """100: it stopped within `LIMIT_MS`; 0: it spoke on."""
    found = _barge_in(reading)
    if isinstance(found, str):
        return Figure(None, found)
    if found.yields is None:
        return Figure(None, found.censored)
    return Figure(100.0 if found.yields else 0.0, found.doubt)


# 15: stopped or begun by what it should not


def premature_starts(reading: TurnReading) -> Figure:
    """Number of answers that began before the user had ended, and were cut before then."""
    if reading.turn.silence == NO_RECORDING:
        return Figure(None, NO_RECORDING)
    return Figure(float(reading.turn.premature_starts))


def false_interruption(reading: TurnReading) -> Figure:
    """100: the reply stopped during an event that wanted no answer, or up to 1 s after it."""
    if reading.labels is None:
        return Figure(None, NO_LABELS)
    if reading.labels.event not in IGNORED:
        return Figure(None, NO_EVENT)
    if reading.turn.silence == NO_RECORDING:
        return Figure(None, NO_RECORDING)
    timeline, turn = reading.timeline, reading.turn
    reply = reply_at(timeline, turn.u_on_ns)
    if reply is None:
        return Figure(None, NO_REPLY)
    if reply.end_ns > turn.u_off_ns + FALSE_WITHIN_NS:
        return Figure(0.0)
    end = ending(timeline, reply, turn.u_on_ns)
    return Figure(100.0, end.doubt) if end.stopped else Figure(None, BY_ITSELF)


def pauses(reading: TurnReading) -> Figure:
    """Number of pauses labelled inside the turn."""
    if reading.labels is None:
        return Figure(None, NO_LABELS)
    return Figure(float(len(reading.labels.pauses)))


def pause_onsets(reading: TurnReading) -> Figure:
    """Number of these pauses in which a reply began."""
    if reading.labels is None:
        return Figure(None, NO_LABELS)
    if reading.turn.silence == NO_RECORDING:
        return Figure(None, NO_RECORDING)
    inside = _pauses_ns(reading.labels, reading.turn.u_on_ns)
    begun = [reply.start_ns for reply in reading.timeline.replies]
    return Figure(float(sum(any(a <= t < b for t in begun) for a, b in inside)))


def premature_start(reading: TurnReading) -> Figure:
    """Pauses in which a reply began per labelled pause, in %."""
    onsets, of = pause_onsets(reading), pauses(reading)
    if onsets.value is None or of.value is None:
        return Figure(None, onsets.reason)
    if of.value == 0:
        return Figure(None, "no pause is labelled in the turn")
    return Figure(100 * onsets.value / of.value)


def _pauses_ns(labels: TurnLabels, u_on_ns: int) -> list[Interval]:
    """Each labelled pause, on the clock; the first audible sample was spoken at ``u_on_ns``."""

    def at(sample: int) -> int:
        return u_on_ns + samples_to_ns(sample - labels.u_on, labels.rate_hz)

    return [(at(pause.start), at(pause.end)) for pause in labels.pauses]


# 16: taking the turn


def takeover(*, strict: bool) -> TurnMeasure:
    """Makes the measure of whether a reply that began in the turn took it over."""

    def measure(reading: TurnReading) -> Figure:
        turn = reading.turn
        if turn.silence == NO_RECORDING:
            return Figure(None, NO_RECORDING)
        since = turn.u_off_ns if strict else turn.u_on_ns
        begun = [
            reply
            for reply in reading.timeline.replies
            if reply.start_ns >= since and (turn.end_ns is None or reply.start_ns < turn.end_ns)
        ]
        if not begun:
            return Figure(0.0, "no reply began")
        if any(_length(reply) >= SHORT_NS for reply in begun):
            return Figure(100.0)
        meant = turn.answer_of("")
        if meant is None:
            return Figure(None, "a reply under 1 s, and how many words it meant is not marked")
        return Figure(100.0 if len(words(meant)) > FEW_WORDS else 0.0)

    return measure


# 17: both speakers, over a whole trial


def overlap(reading: TrialReading) -> list[Figure]:
    """|U ∩ A| / |U ∪ A|: the time in which both spoke per time in which anybody did, in %."""
    timeline = reading.timeline
    if _unheard(timeline):
        return [Figure(None, NO_RECORDING)]
    user = _user_speech(reading)
    agent = _merged((sound.start_ns, sound.end_ns) for sound in timeline.sounds)
    both = sum(max(0, min(b, d) - max(a, c)) for a, b in user for c, d in agent)
    either = sum(map(_span, user)) + sum(map(_span, agent)) - both
    if either == 0:
        return [Figure(None, "nobody spoke")]
    return [Figure(100 * both / either)]


def backchannels_per_min(reading: TrialReading) -> list[Figure]:
    """The agent's short sounds while the user spoke, per minute of the user's speech.

    Those under 1 s that nothing cut: an answer that was taken back at once is no backchannel.
    """
    timeline = reading.timeline
    if _unheard(timeline):
        return [Figure(None, NO_RECORDING)]
    user = _user_speech(reading)
    spoken_ns = sum(map(_span, user))
    if spoken_ns == 0:
        return [Figure(None, "the user did not speak")]
    short = [
        reply
        for reply in timeline.replies
        if _length(reply) < SHORT_NS and any(a <= reply.start_ns < b for a, b in user)
    ]
    uncut = [r for r in short if not ending(timeline, r, r.start_ns).stopped]
    return [Figure(len(uncut) / (spoken_ns / NS_PER_S / 60))]


def not_measured(reason: str) -> TrialMeasure:
    """Makes the measure of a metric that can't be measured yet; null, with the reason."""
    return lambda _: [Figure(None, f"not measured: {reason}")]


def _user_speech(reading: TrialReading) -> list[Interval]:
    """The times at which the user spoke, without the labelled pauses."""
    spoken: list[Interval] = []
    for turn in reading.timeline.turns:
        labels = None if reading.labels is None else reading.labels.of(turn.number)
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


def _turn(number: int, name: str, unit: Unit, description: str, on_turn: TurnMeasure) -> Metric:
    return Metric(number, name, unit, "turn_taking", description, on_turn=on_turn)


def _trial(number: int, name: str, unit: Unit, description: str, on_trial: TrialMeasure) -> Metric:
    return Metric(number, name, unit, "turn_taking", description, on_trial)


ROWS = (
    _turn(
        15,
        "premature_starts",
        "",
        "answers that began before the user had ended and were cut before the user had",
        premature_starts,
    ),
    _turn(
        14,
        "barge_in_stop",
        "ms",
        "end of the reply − u_on of the interruption, where audio was cleared or the model fell "
        "silent, within 2 s, with at least 3 s of the reply left",
        barge_in_stop,
    ),
    _turn(
        14,
        "barge_in_censored",
        "ms",
        "in place of barge_in_stop: how long no stop was seen (2 s, or the reply ended by itself)",
        barge_in_censored,
    ),
    _turn(
        14,
        "barge_in_yield",
        "ms",
        "the agent's decision to yield − u_on of the interruption, where it stopped",
        barge_in_yield,
    ),
    _turn(
        14,
        "yield_rate",
        "%",
        "100: it stopped within 2 s of the interruption; 0: it spoke on",
        yield_rate,
    ),
    _turn(
        15,
        "false_interruption",
        "%",
        "100: the reply was stopped during a backchannel, a cough or side talk, or ≤ 1 s after",
        false_interruption,
    ),
    _turn(15, "pauses", "", "pauses labelled inside the turn", pauses),
    _turn(15, "pause_onsets", "", "those in which a reply began", pause_onsets),
    _turn(15, "premature_start", "%", "pause_onsets / pauses", premature_start),
    _turn(
        16,
        "takeover_compatible",
        "%",
        "100: a reply began in the turn that lasted ≥ 1 s, or was meant to have > 3 words",
        takeover(strict=False),
    ),
    _turn(
        16,
        "takeover_strict",
        "%",
        "the same of replies that began after u_off only",
        takeover(strict=True),
    ),
    _trial(
        17,
        "overlap",
        "%",
        "|U ∩ A| / |U ∪ A|: both spoke, of the time in which anybody did",
        overlap,
    ),
    _trial(
        17,
        "backchannels_per_min",
        "1/min",
        "the agent's sounds < 1 s that began while the user spoke and were not cut, per minute of "
        "the user's speech",
        backchannels_per_min,
    ),
    _trial(
        17,
        "backchannel_jsd",
        "",
        "Jensen–Shannon divergence of their timing (200 ms bins) from people's",
        not_measured("no timing of people's backchannels to these turns is at hand"),
    ),
    _trial(
        17,
        "gap_w1",
        "ms",
        "Wasserstein distance of the gaps from people's",
        not_measured("no distribution of people's gaps is at hand, only published summaries"),
    ),
)
"""The rows, in the order in which they are stored."""
