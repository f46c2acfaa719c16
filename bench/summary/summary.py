"""A run in one look: per preset the figures that table and picture show, and why some are missing.

Warm-ups are left out, and so are rows that are not valid; their number is given beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.metrics.validity import NOT_EXPECTED, SYNTHETIC
from bench.stats.conversations import quantile_of_turns, rate_of_turns
from bench.stats.quantiles import Estimate, Key, quantile
from bench.store.records import FAILED, CauseRow, MetricRow, Status, Trial
from bench.store.store import Run
from bench.summary.answers import SLOW_MS, Answer, PartShare, answers_of, shares
from bench.summary.causes import PresetCauses, summarise_causes
from bench.summary.frames import DuplexSummary, summarise_duplex
from bench.summary.full_duplex_bench import BenchFigure, beside_ours
from bench.summary.headlines import OVER, columns
from bench.summary.outliers import Outliers, outliers
from bench.summary.turn_taking import TurnTakingSummary, summarise_turn_taking
from pipelines.kinds import Weights

RESIDUAL_BOUND_MS = 20.0
"""Largest median residual, ms; above it a component's time is not accounted for."""
CALLER_CPU_AIM, CALLER_RSS_AIM_MB = 10.0, 300.0
"""Aims for the caller's process: CPU in % of a core, and memory in MB."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A turn that is not valid."""

    trial_id: str
    turn: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that did not reach its end."""

    trial_id: str
    status: Status
    error: str | None


@dataclass(frozen=True, slots=True)
class PresetSummary:
    """One preset's figures. Times are in ms.

    Repeats of a fixture's turn are not independent of each other: for p50, p95, p99, every median
    and every interval each turn counts once, with the median of its repeats, and n is the number of
    distinct turns.
    """

    preset: str
    weights: Weights
    """trained, synthetic or scripted."""
    trials: int
    """Number of trials, without warm-ups."""
    failed: tuple[Failed, ...]
    """The trials that did not reach their end."""
    turns: int
    """Number of turns that expect an answer, each repeat counted; also those that a failed trial
    left out."""
    answered: int
    """Number of these turns that were answered."""
    invalid: tuple[Spoilt, ...]
    """The turns among these that are not valid."""
    values: tuple[float, ...]
    """voice_to_voice of each valid turn, one value per repeat."""
    p50: Estimate
    """Median of ``values``, with a two-sided 95 % interval."""
    p95: Estimate
    """95th percentile of ``values``, with a one-sided 95 % upper bound."""
    p99: Estimate
    """99th percentile of ``values``, with a one-sided 95 % upper bound."""
    negative: Estimate
    """Share of ``values`` below 0."""
    premature: int
    """Number of answers that began before the user had ended, and were cut."""
    medians: Mapping[str, Estimate]
    """Metric of a turn → its median over the valid turns."""
    wer: float | None
    """Word errors per word said, over all turns, in %."""
    success: Estimate
    """Share of turns in which the agent did what a good agent does; no answer is a failure, and so
    is a turn that a failed trial left out."""
    figures: Mapping[str, Estimate]
    """Key of a column of the tables ``quality`` and ``connection`` → its figure."""
    caller_cpu_percent: float | None
    """Largest share of a core that the caller used in a trial, %."""
    caller_rss_mb: float | None
    """Largest peak memory of the caller, MB."""
    cold: Mapping[str, tuple[float | None, float | None, float | None]]
    """Model → (load, warm-up, warm start), medians; warm-up trials count."""
    preroll_ms: float = 0.0
    """Pre-roll B of the ear's jitter buffer: everything was heard behind it."""
    network: str = ""
    """The network that was simulated; empty: none."""
    answers: tuple[Answer, ...] = ()
    """The valid answers, one per repeat: ``values`` with the parts of each."""
    ambience_dbfs: tuple[float, ...] = ()
    """Level of the agent's ambience in each trial whose channel is never silent, dBFS."""

    @property
    def invalid_rate(self) -> float | None:
        """Share of the turns that are not valid."""
        return len(self.invalid) / self.turns if self.turns else None

    @property
    def unanswered_rate(self) -> float | None:
        """Share of the turns that had no answer."""
        return 1 - self.answered / self.turns if self.turns else None

    @property
    def slowest_ms(self) -> float | None:
        """The largest of ``values``, ms; None without values."""
        return max(self.values, default=None)

    @property
    def slow_answers(self) -> int:
        """Number of ``values`` above `SLOW_MS`."""
        return sum(value > SLOW_MS for value in self.values)

    @property
    def conversations(self) -> int:
        """Number of conversations that the valid answers are from."""
        return self.p50.n_conversations

    @property
    def shares(self) -> tuple[PartShare, ...]:
        """What each part is of an answer, the largest first; none where answers are not split."""
        return shares(self.answers)

    @property
    def outliers(self) -> tuple[Outliers, ...]:
        """The answers that took far longer than the others, the largest group first."""
        return outliers(self.answers, self.p50.value)

    def median(self, metric: str) -> float | None:
        """Median of a metric of a turn; None without values."""
        estimate = self.medians.get(metric)
        return None if estimate is None else estimate.value


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run's figures."""

    run_id: str
    presets: tuple[PresetSummary, ...]
    """The presets, in the order in which they first ran."""
    info: Mapping[str, Any]
    """The contents of ``run.json``."""
    warmups: int
    """Number of trials that are kept apart."""
    started_utc: str
    """Start of the first trial, ISO 8601; empty if unknown."""
    duplex: tuple[DuplexSummary, ...] = ()
    """The presets that have frames, in the same order."""
    turn_taking: tuple[TurnTakingSummary, ...] = ()
    """All presets, where turns of the run are labelled as events over the agent's speech; else
    none."""
    proposed: tuple[str, ...] = ()
    """Fixtures whose labels were proposed and not checked."""
    given: tuple[str, ...] = ()
    """Recorded calls whose words came with them."""
    full_duplex_bench: tuple[BenchFigure, ...] = ()
    """Full-Duplex-Bench's own figures of its samples, each with ours; none of other runs."""
    causes: tuple[PresetCauses, ...] = ()
    """The known causes in each preset; none where they are not computed."""

    def causes_of(self, preset: str) -> PresetCauses | None:
        """The known causes of a preset; None where they are not computed."""
        return next((found for found in self.causes if found.preset == preset), None)

    @property
    def calibration_error_ms(self) -> float | None:
        """Largest error of the clicks before the run, on an idle machine, ms; None if the run lacks
        it.
        """
        value = (self.info.get("calibration") or {}).get("max_error_ms")
        return None if value is None else float(value)

    @property
    def calibration_clicks(self) -> tuple[int, int] | None:
        """Number of clicks heard, and number sent; None if the run does not say."""
        found = self.info.get("calibration") or {}
        heard, sent = found.get("heard"), found.get("sent")
        return None if heard is None or sent is None else (int(heard), int(sent))


def summarise(
    run: Run, rows: Sequence[MetricRow], causes: Sequence[CauseRow] | None = None
) -> RunSummary:
    """Sums up a run.

    Args:
        run: The run.
        rows: Its metrics.
        causes: The known causes of its turns; None: they are not computed.
    """
    by_preset: dict[str, list[MetricRow]] = {}
    for row in rows:
        by_preset.setdefault(row.preset, []).append(row)
    order = list(dict.fromkeys(trial.preset for trial in run.trials))
    presets = tuple(
        _preset(name, by_preset[name], [t for t in run.trials if t.preset == name])
        for name in order
        if name in by_preset
    )
    warmups = sum(trial.warmup for trial in run.trials)
    started = min((t.started_utc for t in run.trials if t.started_utc), default="")
    duplex, turn_taking = summarise_duplex(run, rows), summarise_turn_taking(run, rows)
    return RunSummary(
        run.run_id,
        presets,
        run.info,
        warmups,
        started,
        duplex,
        turn_taking,
        proposed=run.proposed(),
        given=run.given(),
        full_duplex_bench=beside_ours(run, rows),
        causes=() if causes is None else summarise_causes(rows, causes),
    )


def _preset(name: str, rows: Sequence[MetricRow], trials: Sequence[Trial]) -> PresetSummary:
    by_metric: dict[str, list[MetricRow]] = {}
    for row in rows:
        if not row.warmup:
            by_metric.setdefault(row.metric, []).append(row)

    def keyed(metric: str, subject: str | None = None) -> list[tuple[Key, float]]:
        of = [row for row in by_metric.get(metric, []) if subject in (None, row.subject)]
        return [((r.fixture, r.turn), r.value) for r in of if r.valid and r.value is not None]

    def values(metric: str) -> list[float]:
        return [value for _, value in keyed(metric)]

    heard = by_metric.get("voice_to_voice", [])
    asked = [r for r in heard if r.reason not in (NOT_EXPECTED, SYNTHETIC)]
    v2v = keyed("voice_to_voice")
    measured = [trial for trial in trials if not trial.warmup]
    words = sum(values("stt_words"))
    of_turns = dict.fromkeys(row.metric for row in rows if row.turn >= 0)
    return PresetSummary(
        preset=name,
        weights=rows[0].weights,
        trials=len(measured),
        failed=tuple(Failed(t.trial_id, t.status, t.error) for t in measured if t.status in FAILED),
        turns=len(asked),
        answered=sum(row.value is not None for row in asked),
        invalid=tuple(Spoilt(r.trial_id, r.turn, r.reason or "") for r in asked if not r.valid),
        values=tuple(value for _, value in v2v),
        p50=quantile_of_turns(v2v, 0.5),
        p95=quantile_of_turns(v2v, 0.95),
        p99=quantile_of_turns(v2v, 0.99),
        negative=rate_of_turns([(key, value < 0) for key, value in v2v]),
        premature=round(sum(values("premature_starts"))),
        medians={metric: quantile_of_turns(keyed(metric), 0.5) for metric in of_turns},
        wer=100 * sum(values("stt_word_errors")) / words if words else None,
        success=rate_of_turns([(key, hit > 50) for key, hit in keyed("task_success")]),
        figures={
            c.key: OVER[c.over](keyed(c.metric, c.subject))
            for c in (*columns("quality"), *columns("connection"), *columns("ahead"))
        },
        caller_cpu_percent=max(values("caller_cpu_percent"), default=None),
        caller_rss_mb=max(values("caller_rss_mb"), default=None),
        cold=_cold(rows),
        preroll_ms=max((t.preroll_ms for t in trials), default=0.0),
        network=" / ".join(sorted({t.network for t in trials if t.network})),
        answers=answers_of(rows),
        ambience_dbfs=tuple(values("ambience")),
    )


def _cold(
    rows: Sequence[MetricRow],
) -> dict[str, tuple[float | None, float | None, float | None]]:
    """Model → (load, warm-up, opening a conversation on the warm model), ms."""

    def of(model: str, metric: str) -> float | None:
        found = [
            r.value
            for r in rows
            if r.metric == metric and r.subject == model and r.value is not None
        ]
        return quantile(found, 0.5).value

    cold = [row for row in rows if row.metric.startswith("cold_")]
    models = dict.fromkeys(row.subject for row in cold if row.subject is not None)
    names = ("cold_load", "cold_warm", "warm_start")
    load, warm, opened = ({model: of(model, name) for model in models} for name in names)
    return {model: (load[model], warm[model], opened[model]) for model in models}
