"""Full-Duplex-Bench's own figures of a run's samples, each beside ours of the same calls.

Theirs are means over the samples, as its scripts print them: of latencies over the samples whose
turn was taken, of v1.5's intervals over all of them. Ours of latency and stop are of the turn that
the sample's label is on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.stats.quantiles import quantile
from bench.store.records import MetricRow
from bench.store.store import Run

KEY = "full_duplex_bench"
"""Key of ``run.json``: trial id → the sample's task and the turn that its label is on."""


@dataclass(frozen=True, slots=True)
class BenchFigure:
    """One figure of one task. Null where there is none."""

    preset: str
    task: str
    """Version and task."""
    figure: str
    """Its name."""
    unit: str
    theirs: float | None
    """The mean, by its scripts' definition."""
    theirs_n: int
    """Number of values in it."""
    metric: str
    """Our metric that stands beside it; empty: we have none."""
    ours: float | None
    """The mean of ours."""
    ours_p50: float | None
    """The median of ours; none of a share."""
    ours_n: int
    """Number of values of ours."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A figure of theirs, and what of ours stands beside it."""

    metric: str
    figure: str
    unit: str
    ours: Mapping[str, str]
    """Task → our metric; under an empty task that of all others."""
    scale: float = 1.0
    """Our unit in theirs."""


PAIRS = (
    _Pair(
        "fdb_takeover",
        "takeover",
        "%",
        {
            "": "takeover_strict",
            "v1 pause_handling": "premature_start",
            "v1 backchannel": "takeover_compatible",
        },
    ),
    _Pair("fdb_latency", "latency", "ms", {"": "voice_to_voice"}),
    _Pair(
        "fdb_backchannel_rate", "backchannels", "1/s", {"": "backchannels_per_min"}, scale=1 / 60
    ),
    _Pair("fdb_backchannel_jsd", "their timing (JSD)", "", {"": ""}),
    _Pair(
        "fdb_stop",
        "stop",
        "ms",
        {
            "": "",
            "v1.5 user_interruption": "barge_in_stop",
        },
    ),
    _Pair(
        "fdb_response",
        "response",
        "ms",
        {"": "", "v1.5 user_interruption": "voice_to_voice"},
    ),
)
"""The pairs, in the order in which they are shown."""


def beside_ours(run: Run, rows: Sequence[MetricRow]) -> tuple[BenchFigure, ...]:
    """The figures of a run, by preset and task; none where it holds no samples."""
    samples: Mapping[str, Mapping[str, object]] = run.info.get(KEY) or {}
    if not samples:
        return ()
    by_task: dict[tuple[str, str], list[MetricRow]] = {}
    for row in rows:
        sample = samples.get(row.trial_id)
        if sample is not None and row.valid and row.value is not None:
            labelled = sample.get("turn")
            if row.turn < 0 or labelled is None or row.turn == labelled:
                by_task.setdefault((row.preset, str(sample.get("task"))), []).append(row)
    return tuple(
        figure
        for (preset, task), found in sorted(by_task.items())
        for figure in _figures(preset, task, found)
    )


def _figures(preset: str, task: str, rows: Sequence[MetricRow]) -> Iterator[BenchFigure]:
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.value is not None:
            values.setdefault(row.metric, []).append(row.value)
    for pair in PAIRS:
        theirs = values.get(pair.metric)
        if theirs is None:
            continue
        metric = pair.ours.get(task, pair.ours[""])
        ours = [pair.scale * value for value in values.get(metric, ())]
        yield BenchFigure(
            preset=preset,
            task=task,
            figure=pair.figure,
            unit=pair.unit,
            theirs=_mean(theirs),
            theirs_n=len(theirs),
            metric=metric,
            ours=_mean(ours),
            ours_p50=None if pair.unit == "%" else quantile(ours, 0.5).value,
            ours_n=len(ours),
        )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
