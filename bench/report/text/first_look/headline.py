"""What a run says first: a line a preset, its outliers, and a sentence on what is slow in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report.text.console import Screen
from bench.report.text.listing import Column, Listing, Row
from bench.report.text.table_read_back import read_back_blocks
from bench.report.text.table_turn_taking import bench_blocks
from bench.stats.format import number, percent
from bench.stats.quantiles import Method
from bench.store.labels import given_note, proposed_note
from bench.summary.causes import PresetCauses, explained
from bench.summary.outliers import Outliers, outliers
from bench.summary.summary import PresetSummary, RunSummary
from bench.summary.verdict import (
    ambience_note,
    main_cause,
    outlier_sentence,
    part_name,
    verdict,
    verdicts,
)

TITLE = "Voice to voice, as heard: ms from the user's last sound to the agent's first"
NAMED = 2
"""Number of groups of outliers of a preset that are named; the rest are counted."""
MUCH_INVALID = 0.25
"""Largest share of invalidated turns without a warning."""
MAX_CALIBRATION_MS = 5.0
"""Largest calibration error, ms, without a warning."""
RECORDED = (
    "Recorded calls: what was said is not judged, and no ruler was at work when they were made."
)


def _p50(row: Row) -> str:
    """``281 [273–288]``, or the number of turns that is too small for an interval."""
    value, low, high = row["p50_ms"], row["p50_low_ms"], row["p50_high_ms"]
    if value is None:
        return number(None)
    if low is None or high is None:
        return f"{number(value)} (n {row['turns']})"
    return f"{number(value)} [{number(low)}–{number(high)}]"


def _stage(row: Row) -> str:
    if row["largest_stage"] is None:
        return number(None)
    return f"{row['largest_stage']} {percent(row['largest_share'])}"


COLUMNS = (
    Column("preset", "preset"),
    Column("p50 [95 %]", _p50, is_figure=True),
    Column("max", lambda row: number(row["slowest_ms"]), is_figure=True),
    Column("> 1 s", "over_1s", is_figure=True),
    Column("largest stage", _stage),
    Column("answered", lambda row: f"{row['answered']}/{row['asked']}", is_figure=True),
    Column("right", lambda row: percent(row["right"]), is_figure=True),
)
LEAVE = ("largest stage", "> 1 s", "max")
"""Columns that leave first: the sentences below say the same."""


INTERVALS: dict[Method, str] = {
    "turns": "",
    "conversations": "intervals by resampling conversations",
    "few conversations": "too few conversations to resample: intervals of turns, too narrow",
}
"""Where an interval comes from → what stands beside n."""


def headline(summary: RunSummary) -> Listing:
    """A row a preset."""
    said, notes = verdicts(summary), tuple(warnings(summary))
    rows = tuple(
        _row(p, said[p.preset], summary.causes_of(p.preset), notes) for p in summary.presets
    )
    return Listing("presets", COLUMNS, rows, TITLE, LEAVE)


def _row(
    p: PresetSummary, said: str, causes: PresetCauses | None, notes: Sequence[str]
) -> dict[str, Any]:
    largest, cause = p.shares[0] if p.shares else None, main_cause(p, causes)
    return {
        "preset": p.preset,
        "weights": p.weights,
        "p50_ms": p.p50.value,
        "p50_low_ms": p.p50.low,
        "p50_high_ms": p.p50.high,
        "turns": p.p50.n,
        "conversations": p.conversations,
        "interval_from": p.p50.method,
        "slowest_ms": p.slowest_ms,
        "over_1s": p.slow_answers if p.values else None,
        "largest_stage": part_name(largest.part) if largest else None,
        "largest_share": largest.share if largest else None,
        "answered": p.answered,
        "asked": p.turns,
        "invalid": len(p.invalid),
        "right": p.success.value,
        "largest_cause": cause.cause.name if cause else None,
        "largest_cause_ms": cause.median_ms if cause else None,
        "verdict": said,
        "notes": list(notes),
    }


def sentences(summary: RunSummary, where: Path) -> Iterator[str]:
    """What stands below the table: outliers, verdicts, warnings, and n.

    Args:
        summary: The run's figures.
        where: Its folder, for the commands that show more.
    """
    known = explained(summary.causes)
    slow = {p.preset: outliers(p.answers, p.p50.value, known) for p in summary.presets}
    for p in summary.presets:
        yield from _outliers(p, slow[p.preset], where)
    yield from _verdicts(summary, slow)
    yield from warnings(summary)
    if counts := _counts(summary):
        yield counts


def _outliers(p: PresetSummary, found: Sequence[Outliers], where: Path) -> Iterator[str]:
    for group in found[:NAMED]:
        yield f"{p.preset}: {outlier_sentence(group, len(p.answers))}; see {_command(group, where)}"
    if more := sum(len(group.answers) for group in found[NAMED:]):
        yield f"{p.preset}: {more} more took long for other reasons: duplex-lab show {where} --all"


def _verdicts(summary: RunSummary, slow: Mapping[str, Sequence[Outliers]]) -> Iterator[str]:
    """A sentence a preset; a cause that a line on its outliers has named is not said again."""
    frames = {one.preset: one for one in summary.duplex}
    for p in summary.presets:
        said = {group.cause for group in slow[p.preset][:NAMED]}
        cause = main_cause(p, summary.causes_of(p.preset))
        named = None if cause is None or cause.cause.short in said else cause
        yield f"{p.preset}: {verdict(p, frames.get(p.preset), named, is_short=True)}"


def _command(group: Outliers, where: Path) -> str:
    slowest = group.answers[0]
    turn = f" (turn {slowest.turn})" if slowest.turn else ""
    return f"duplex-lab show {where / slowest.trial_id}{turn}"


def warnings(summary: RunSummary) -> Iterator[str]:
    """What makes the figures doubtful; mostly nothing."""
    error_ms = summary.calibration_error_ms
    if summary.info.get("recorded"):
        yield RECORDED
    elif error_ms is None:
        yield "The harness was not calibrated in this run."
    elif error_ms > MAX_CALIBRATION_MS:
        yield f"The harness's own error reached {error_ms:.1f} ms: the machine was busy."
    for p in summary.presets:
        if p.failed:
            yield f"{p.preset}: {len(p.failed)} of {p.trials} trials failed."
        if (p.invalid_rate or 0.0) > MUCH_INVALID:
            yield f"{p.preset}: {percent(p.invalid_rate)} of the turns are not valid."
        if p.ambience_dbfs:
            yield f"{p.preset}: {ambience_note(p)}"
    if summary.proposed:
        yield proposed_note(summary.proposed)
    if summary.given:
        yield given_note(summary.given)


def _counts(summary: RunSummary) -> str:
    """Both n of every preset that has a figure, said once where they are the same."""
    shown = [p for p in summary.presets if p.values]
    if not shown:
        return ""
    counts = {p.preset: (p.p50.n, p.conversations) for p in shown}
    (turns, conversations), *others = set(counts.values())
    if others:
        told = ", ".join(f"{name} {n}/{of}" for name, (n, of) in counts.items())
        said = f"turns/conversations: {told}"
    else:
        each = " each" if len(shown) > 1 else ""
        said = f"n: {_number(turns, 'turn')} in {_number(conversations, 'conversation')}{each}"
    methods = dict.fromkeys(INTERVALS[p.p50.method] for p in shown if p.p50.low is not None)
    return f"{'; '.join((said, *filter(None, methods)))}."


def _number(n: int, name: str) -> str:
    return f"{n} {name}" if n == 1 else f"{n} {name}s"


def print_headline(summary: RunSummary, where: Path, screen: Screen | None = None) -> None:
    """Prints the table and the sentences below it.

    Args:
        summary: The run's figures.
        where: The run's folder.
        screen: Where to; by default standard output.
    """
    out = screen or Screen()
    out.table(headline(summary).block())
    for block in (*read_back_blocks(summary), *bench_blocks(summary.full_duplex_bench)):
        out.line()
        out.table(block)
    for sentence in sentences(summary, where):
        out.say(sentence)
