"""What came of the cases: by feature, variant and kind, and what each feature costs, in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from bench.cases.case import Case, Feature, Kind
from bench.cases.variants import VARIANTS, Variant, variants_of
from bench.compare.compare import COMPARED, PairComparison, compare
from bench.compare.pairs import Side
from bench.metrics.validity import NOT_EXPECTED
from bench.stats.format import DASH, Block, number
from bench.store.records import MetricRow, Trial

SHOWN = ("no_answer", "task_success", "voice_to_voice", "time_to_content")
"""Metrics whose differences are shown; other metrics would only take verdicts from these."""
COUNTED = ("interruptions", "tool_calls", "memories", "fallbacks")
KINDS: tuple[Kind, ...] = ("voice", "chat")
Group = tuple[Feature, str, Kind]
"""Feature, variant, kind."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the table."""

    feature: Feature
    """Whose cases these are: each feature's stand beside the same ones without it."""
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
    """The lines of the table: what was played of each feature, without it and with it."""
    by_name = {case.name: case for case in cases}
    played: dict[Group, list[Trial]] = {}
    figures: dict[Group, list[MetricRow]] = {}
    for trial in trials:
        if not trial.warmup and (case := by_name.get(trial.fixture)):
            played.setdefault((case.feature, trial.preset, case.kind), []).append(trial)
    for row in rows:
        if not row.warmup and (case := by_name.get(row.fixture)):
            figures.setdefault((case.feature, row.preset, case.kind), []).append(row)
    groups: list[Group] = [
        (feature, variant.name, kind)
        for feature in dict.fromkeys(one.feature for one in VARIANTS if one.feature)
        for kind in KINDS
        for variant in variants_of(feature)
    ]
    return [_line(g, played[g], figures.get(g, [])) for g in groups if g in played]


def _line(group: Group, trials: Sequence[Trial], rows: Sequence[MetricRow]) -> Told:
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
        *group,
        len({trial.fixture for trial in trials}),
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
        "cases of", "variant", "kind", "cases", "answered %", "success %", "p50, ms",
        "content p50, ms", "interrupted", "tools", "memories", "fallbacks", "CPU s/min",
    )  # fmt: skip
    rows = tuple(
        (
            line.feature,
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
    return Block("", heads, rows or ((DASH,) * len(heads),), left=("variant", "kind"))


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
