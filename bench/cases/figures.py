"""What came of the cases: by variant and kind, and what each feature costs, in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from bench.cases.case import Case, Kind
from bench.cases.variants import VARIANTS, Variant
from bench.compare.compare import COMPARED, PairComparison, compare
from bench.compare.pairs import Side
from bench.metrics.validity import NOT_EXPECTED
from bench.stats.format import DASH, Block, number
from bench.store.records import MetricRow, Trial

SHOWN = ("no_answer", "task_success", "voice_to_voice", "time_to_content")
"""Metrics whose differences are shown; other metrics would only take verdicts from these."""
COUNTED = ("interruptions", "tool_calls", "memories", "fallbacks")


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the table."""

    variant: str
    kind: Kind
    cases: int
    """Cases that were played, whatever came of them."""
    answered: float | None
    """Share of the turns with an answer, %."""
    success: float | None
    """Share of the turns that can be judged whose answer was right, %."""
    latency_ms: float | None
    """Median of voice_to_voice, valid turns."""
    content_ms: float | None
    """Median of time_to_content."""
    counted: tuple[float, ...]
    """Sums of `COUNTED`."""
    cpu_s: float | None
    """CPU time of the server per minute of the conversations, s."""


def told(cases: Sequence[Case], trials: Iterable[Trial], rows: Iterable[MetricRow]) -> list[Told]:
    """The lines of the table, for every variant that was played."""
    kinds = {case.name: case.kind for case in cases}
    played = [t for t in trials if not t.warmup and t.fixture in kinds]
    by_kind: dict[tuple[str, Kind], list[MetricRow]] = {}
    for row in rows:
        if not row.warmup and row.fixture in kinds:
            by_kind.setdefault((row.preset, kinds[row.fixture]), []).append(row)
    lines = []
    for variant in VARIANTS:
        for kind in ("voice", "chat"):
            own = [t for t in played if (t.preset, kinds[t.fixture]) == (variant.name, kind)]
            if own:
                lines.append(_line(variant.name, kind, own, by_kind.get((variant.name, kind), [])))
    return lines


def _line(variant: str, kind: Kind, trials: Sequence[Trial], rows: Sequence[MetricRow]) -> Told:
    values: dict[str, list[float]] = {}
    asked = heard = 0
    for row in rows:
        if row.metric == "voice_to_voice" and row.reason != NOT_EXPECTED:
            asked += 1
            heard += row.value is not None
        if row.value is not None and row.valid:
            values.setdefault(row.metric, []).append(row.value)
    minutes = sum(trial.audio_s for trial in trials) / 60
    cpu = [trial.cpu_agent_s for trial in trials]
    known = [one for one in cpu if one is not None]
    return Told(
        variant,
        kind,
        len(trials),
        100 * heard / asked if asked else None,
        fmean(values["task_success"]) if values.get("task_success") else None,
        median(values["voice_to_voice"]) if values.get("voice_to_voice") else None,
        median(values["time_to_content"]) if values.get("time_to_content") else None,
        tuple(float(sum(values.get(name, []))) for name in COUNTED),
        sum(known) / minutes if len(known) == len(cpu) and minutes else None,
    )


def table(lines: Sequence[Told]) -> Block:
    """The lines as a table."""
    heads = (
        "variant", "kind", "cases", "answered %", "success %", "p50, ms", "content p50, ms",
        "interrupted", "tools", "memories", "fallbacks", "CPU s/min",
    )  # fmt: skip
    rows = tuple(
        (
            line.variant,
            line.kind,
            str(line.cases),
            number(line.answered),
            number(line.success),
            number(line.latency_ms),
            number(line.content_ms),
            *(number(count) for count in line.counted),
            number(line.cpu_s, ".1f"),
        )
        for line in lines
    )
    return Block("", heads, rows or ((DASH,) * len(heads),), left=("kind",))


def costs(run: str, trials: Sequence[Trial], rows: Sequence[MetricRow]) -> list[PairComparison]:
    """What each variant costs against its base, on the cases that both were played."""
    names = {trial.preset for trial in trials if not trial.warmup}
    pairs = [
        (
            _side(run, variant.base, variant, trials, rows),
            _side(run, variant.name, variant, trials, rows),
        )
        for variant in VARIANTS
        if variant.base in names and variant.name in names
    ]
    return compare(pairs, [one for one in COMPARED if one.metric in SHOWN])


def _side(
    run: str, name: str, variant: Variant, trials: Sequence[Trial], rows: Sequence[MetricRow]
) -> Side:
    both = {t.fixture for t in trials if t.preset == variant.name}
    both &= {t.fixture for t in trials if t.preset == variant.base}
    return Side.of(
        run,
        name,
        [trial for trial in trials if trial.fixture in both],
        [row for row in rows if row.fixture in both],
    )
