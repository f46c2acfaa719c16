"""The gates that duplex-nano has to pass, as rows of a table: figure, target, and how it is read.

Every figure but the codec's and the forced text's is read off the rows of a run's metrics, by the
statistics of the ordinary tables: a turn of a fixture counts once, with the share or the median of
its repeats, and only rows that are valid count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.metrics.turn_taking import LIMIT_MS
from bench.stats.bootstrap import RESAMPLES
from bench.stats.conversations import rate_of_turns
from bench.stats.quantiles import (
    CONFIDENCE,
    MIN_N_INTERVAL,
    Estimate,
    Key,
    per_key,
    quantile,
)
from bench.stats.survival import km_median
from bench.store.labels import TurnLabels
from bench.store.records import MetricRow, Trial
from bench.summary.turn_taking import early_starts, once

LONG_S = 120.0
"""A conversation in which frames are judged lasts at least so long."""


@dataclass(frozen=True, slots=True)
class WordCount:
    """Word errors of one sentence."""

    errors: int
    words: int


@dataclass(frozen=True, slots=True)
class CodecFigures:
    """What the codec's own evaluation found, in % of words; None: not measured."""

    original_wer: float | None = None
    """Of the recordings of the agent's voice."""
    codec_wer: float | None = None
    """Of the same after the codec."""
    probe_wer: float | None = None
    """Of the word probe on the user's side, held-out voices."""
    n: int = 0
    """Sentences."""


@dataclass(frozen=True)
class Evidence:
    """All that the gates are judged by."""

    rows: Sequence[MetricRow]
    """Of one preset; as those of trained weights, where it is a double."""
    trials: Sequence[Trial]
    labels: Mapping[Key, TurnLabels]
    forced: Sequence[WordCount] | None = None
    """Sentences said with forced text; None: not measured."""
    codec: CodecFigures = field(default_factory=CodecFigures)
    values: Mapping[str, list[tuple[Key, float]]] = field(init=False)
    """Metric → what counts of it, with the turn that it is of."""

    def __post_init__(self) -> None:
        found: dict[str, list[tuple[Key, float]]] = {}
        for row in self.rows:
            if row.valid and row.value is not None and not row.warmup:
                found.setdefault(row.metric, []).append(((row.fixture, row.turn), row.value))
        object.__setattr__(self, "values", found)

    def of(
        self, metric: str, which: Callable[[TurnLabels], bool] | None = None
    ) -> list[tuple[Key, float]]:
        """What counts of a metric; only of the turns with such labels."""
        found = self.values.get(metric, [])
        if which is None:
            return found
        return [(k, v) for k, v in found if k in self.labels and which(self.labels[k])]


Read = Callable[[Evidence], Estimate | str]
"""The figure, in the gate's unit; or why there is none."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One row of the table."""

    number: int
    """Of the gate, as in the plan."""
    name: str
    unit: str
    target: float
    at_least: bool
    """Whether the target is the least or the most."""
    read: Read


@dataclass(frozen=True, slots=True)
class Judged:
    """A gate and what was found."""

    gate: Gate
    figure: Estimate
    why: str | None
    """Why there is no figure; None if there is."""

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or ``open``: there is nothing to judge by."""
        if self.figure.value is None:
            return "open"
        value = self.figure.value
        met = value >= self.gate.target if self.gate.at_least else value <= self.gate.target
        return "met" if met else "missed"

    @property
    def missed_by(self) -> float | None:
        """How far beyond its target the figure lies; None where it is met or open."""
        if self.verdict != "missed" or self.figure.value is None:
            return None
        return abs(self.figure.value - self.gate.target)


def judge_gates(evidence: Evidence) -> list[Judged]:
    """Every gate, in order."""
    judged = []
    for gate in GATES:
        found = gate.read(evidence)
        if isinstance(found, str):
            judged.append(Judged(gate, Estimate(None, 0), found))
        else:
            why = None if found.value is not None else "nothing to judge it by"
            judged.append(Judged(gate, found, why))
    return judged


# How figures are read


def wants_answer(labels: TurnLabels) -> bool:
    """The turn ends with the user waiting for an answer."""
    return labels.expect.respond


def waits(labels: TurnLabels) -> bool:
    """The same, and the turn did not begin over the agent's speech."""
    return labels.expect.respond and not labels.event


def is_backchannel(labels: TurnLabels) -> bool:
    """The user's sound is a backchannel."""
    return labels.event == "backchannel"


def percent(part: Estimate) -> Estimate:
    """A rate from 0 to 1 as %."""
    value, low, high = (None if x is None else 100 * x for x in (part.value, part.low, part.high))
    return Estimate(value, part.n, low, high, part.need)


def share(metric: str, which: Callable[[TurnLabels], bool] | None = None) -> Read:
    """Makes the reader of how often a metric that is 0 or 100 is 100."""
    return lambda e: percent(rate_of_turns([(k, v > 50) for k, v in e.of(metric, which)]))


def goes_on(metric: str, which: Callable[[TurnLabels], bool]) -> Read:
    """Makes the reader of how often a metric that is 0 or 100 is 0."""
    return lambda e: percent(rate_of_turns([(k, v <= 50) for k, v in e.of(metric, which)]))


def early(prefix: str) -> Read:
    """Makes the reader of how many labelled pauses a reply began in."""
    return lambda e: percent(early_starts(e.values, prefix))


def gap(evidence: Evidence) -> Estimate | str:
    """The median of voice_to_voice, where the ear had no jitter buffer."""
    if any(trial.preroll_ms for trial in evidence.trials):
        return "the preset has a pre-roll, B is not 0"
    return quantile(per_key(evidence.of("voice_to_voice", waits)), 0.5)


def stop(evidence: Evidence) -> Estimate:
    """The median of barge_in_stop; an interruption that never stopped it counts.

    Infinite where it spoke on over at least half of them.
    """
    seen, unseen = once(evidence.of("barge_in_stop"), evidence.of("barge_in_censored"))
    found = km_median(seen, unseen)
    spoke_on = sum(ms >= LIMIT_MS for ms in unseen)
    if found.value is None and spoke_on and 2 * spoke_on >= found.n:
        return Estimate(math.inf, found.n, need=found.need)
    return found


def worst(metric: str, *, long: bool = False, warmups: bool = False) -> Read:
    """Makes the reader of the largest value of any trial.

    Args:
        metric: Of a whole trial.
        long: Only of conversations of `LONG_S` or more.
        warmups: Of the warm-ups too: a cold start is marked there.
    """

    def read(evidence: Evidence) -> Estimate | str:
        lasting = {t.trial_id for t in evidence.trials if not long or t.audio_s >= LONG_S}
        if not lasting:
            return f"no conversation lasts {LONG_S:.0f} s: play session_150s as well"
        found = [
            row.value
            for row in evidence.rows
            if row.metric == metric
            and row.value is not None
            and row.valid
            and (warmups or not row.warmup)
            and row.trial_id in lasting
        ]
        return Estimate(max(found, default=None), len(found))

    return read


def word_error_rate(counts: Sequence[WordCount]) -> Estimate:
    """Word errors per word over all sentences, %, with a bootstrap's interval over sentences."""
    errors = np.array([count.errors for count in counts], np.float64)
    words = np.array([count.words for count in counts], np.float64)
    n = len(counts)
    if words.sum() == 0:
        return Estimate(None, n, need=MIN_N_INTERVAL)
    value = 100 * float(errors.sum() / words.sum())
    if n < MIN_N_INTERVAL:
        return Estimate(value, n, need=MIN_N_INTERVAL)
    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    rates = 100 * errors[drawn].sum(axis=1) / np.maximum(1, words[drawn].sum(axis=1))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(rates, [tail, 100 - tail])
    return Estimate(value, n, float(low), float(high), MIN_N_INTERVAL)


def heard_wer(evidence: Evidence) -> Estimate:
    """Word errors of the recogniser on the answers of a run, against the agent's own text."""
    errors = dict(evidence.of("agent_word_errors"))
    words = dict(evidence.of("agent_words"))
    return word_error_rate([WordCount(round(errors[k]), round(words[k])) for k in words])


def forced_over_codec(evidence: Evidence) -> Estimate | str:
    """How much worse than the codec's the words of forced text are understood, in points."""
    if evidence.forced is None:
        return "no sentences were forced: --forced FILE"
    if evidence.codec.codec_wer is None:
        return "the codec's word error rate is not told: --codec FILE"
    found, base = word_error_rate(evidence.forced), evidence.codec.codec_wer
    ends = (None if x is None else x - base for x in (found.value, found.low, found.high))
    value, low, high = ends
    return Estimate(value, found.n, low, high, found.need)


def codec_over_original(evidence: Evidence) -> Estimate | str:
    """How much worse than the original the words behind the codec are understood, in points."""
    codec = evidence.codec
    if codec.codec_wer is None or codec.original_wer is None:
        return "the codec's word error rates are not told: --codec FILE"
    return Estimate(codec.codec_wer - codec.original_wer, codec.n)


def probe(evidence: Evidence) -> Estimate | str:
    """Word errors of the probe on the user's side."""
    if evidence.codec.probe_wer is None:
        return "the probe's word error rate is not told: --codec FILE"
    return Estimate(evidence.codec.probe_wer, evidence.codec.n)


def _most(number: int, name: str, unit: str, target: float, read: Read) -> Gate:
    return Gate(number, name, unit, target, False, read)


def _least(number: int, name: str, target: float, read: Read) -> Gate:
    return Gate(number, name, "%", target, True, read)


GATES: tuple[Gate, ...] = (
    _most(0, "frame latency p99, worst of 2 minutes or more", "ms", 40.0,
          worst("frame_latency_p99", long=True)),
    _most(0, "deadline miss, the same", "%", 0.1, worst("deadline_miss", long=True)),
    _most(0, "cold start", "ms", 2000.0, worst("cold_start", warmups=True)),
    _most(0, "memory of the agent's processes, Pipecat's among them", "MB", 300.0,
          worst("rss_peak_mb")),
    _most(1, "codec's WER over the original's", "points", 4.0, codec_over_original),
    _most(1, "word probe on the user's side, WER", "%", 10.0, probe),
    _least(2, "intent and slots right, in the text", 80.0, share("text_success")),
    _least(2, "turn taken at its end, in the text", 95.0,
           share("text_takeover_strict", wants_answer)),
    _most(2, "began in a labelled pause, in the text", "%", 15.0, early("text_")),
    _least(2, "went on through a backchannel, in the text", 80.0,
           goes_on("text_false_interruption", is_backchannel)),
    _most(3, "WER of forced text over the codec's", "points", 6.0, forced_over_codec),
    _least(4, "intent and slots right, as heard", 70.0, share("heard_success", wants_answer)),
    _least(4, "turn taken at its end, as heard", 95.0, share("takeover_strict", wants_answer)),
    _most(4, "began in a labelled pause, as heard", "%", 15.0, early("")),
    _least(4, "went on through a backchannel, as heard", 80.0,
           goes_on("false_interruption", is_backchannel)),
    _most(4, "heard gap p50, B = 0", "ms", 450.0, gap),
    _most(4, "stop after an interruption p50", "ms", 500.0, stop),
)  # fmt: skip
"""In the order of the plan; those of turn-taking are judged in the text and as heard."""


def shown(value: float | None, unit: str) -> str:
    """A figure as it is printed."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "∞"
    return f"{value:.0f}" if unit in ("ms", "MB") else f"{value:.1f}"
