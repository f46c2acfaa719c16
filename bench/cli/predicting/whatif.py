"""``duplex-lab whatif RUN``: a run's answers, if stages took another time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from bench.stats.format import number
from bench.store.results import LATEST, find_run
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.stats.quantiles import Estimate
    from bench.whatif.change import Change
    from bench.whatif.forecast import PresetForecast, TurnForecast

STILL_MS = 0.5
"""Shift of an answer below which it does not move, ms."""
EARLIER = (
    "A release that comes earlier also cuts into more pauses, which no figure here says: see "
    "'duplex-lab endpointing'."
)
CHANGE_HELP = (
    "What is to become of a stage: STAGE=0.5x, STAGE=120ms, STAGE=+30ms, 'STAGE<=150ms' or "
    "'STAGE>=40ms'; repeat it for more stages. Stages: docs/whatif.md, or any wrong name."
)


def whatif(
    run: Annotated[Path, typer.Argument(help="A run's folder, or latest.")] = Path(LATEST),
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="<change>", help=CHANGE_HELP)
    ] = None,
    network: Annotated[
        str, typer.Option(help="Put a named network in between: see duplex-lab networks.")
    ] = "",
    preset: Annotated[str, typer.Option(help="Only this preset.", show_default="all")] = "",
    turns: Annotated[bool, typer.Option("--turns", help="List every turn too.")] = False,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """Predict voice to voice if stages took another time, or over a network. Nothing is played.

    The critical path of each turn is computed again: the release waits for the VAD's stop, the
    transcript and an end-of-turn model's verdict, whichever comes last, and everything after it
    moves along. A stage that nothing waited for moves nothing; what the marks can't say is left
    out and counted. The distribution is that of the turns that were measured, its interval comes
    from resampling conversations, and a network is drawn 20 times.

    What it does not know: what a faster stage would cost in quality, and what stages do to each
    other on a busy machine. docs/whatif.md says how far off it was where it was checked.
    """
    from bench.store import store
    from bench.whatif.change import FORMS, parse_changes
    from bench.whatif.forecast import forecast, network_of

    wanted, over = parse_changes(changes or []), network_of(network)
    if not wanted and over is None:
        raise LabError(f"whatif: say what is to change: --set {FORMS}; or --network NAME.")
    path = find_run(run)
    found = forecast(store.read_run(path), wanted, over, preset)
    if not any(one.predicted for one in found):
        raise LabError(f"{path}: nothing can be predicted of it: {_why_nothing(found)}.")
    names = [change.text for change in wanted] + ([over.name] if over is not None else [])
    lists = [_effects(found, names), _presets(found)]
    if turns:  # CSV holds the last list alone: what was asked for
        lists.insert(len(lists) if form is Format.csv else 0, _turns(found))
    print_lists(form, *lists, notes=list(_notes(found, wanted)))


def _why_nothing(found: Sequence[PresetForecast]) -> str:
    """Why nothing is predicted of any turn: the commonest reason of the first preset with one."""
    from bench.metrics.validity import SYNTHETIC

    for one in found:
        if reasons := one.reasons or one.invalid:
            return reasons.most_common(1)[0][0]
    synthetic = all(one.weights == "synthetic" for one in found)
    return SYNTHETIC if synthetic else "no turn was answered"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{number(low)}–{number(high)}]"


def _p50(when: str) -> Column:
    return Column(
        f"p50 {when} [95 %]",
        lambda row: (
            number(row[f"p50_{when}_ms"])
            + _interval(row[f"p50_{when}_low_ms"], row[f"p50_{when}_high_ms"])
        ),
        is_figure=True,
    )


def _p95(when: str) -> Column:
    def cell(row: Row) -> str:
        high = row[f"p95_{when}_high_ms"]
        bound = "" if high is None else f" (≤ {number(high)})"
        return f"{number(row[f'p95_{when}_ms'])}{bound}"

    return Column(f"p95 {when}", cell, is_figure=True)


def _change(row: Row) -> str:
    value = number(row["change_ms"], "+.0f")
    return f"{value}{_interval(row['change_low_ms'], row['change_high_ms'])}"


PRESET_COLUMNS = (
    Column("preset", "preset"),
    _p50("measured"),
    _p50("predicted"),
    Column("change a turn", _change, is_figure=True),
    _p95("measured"),
    _p95("predicted"),
    Column("turns", lambda row: f"{row['turns']} of {row['answered']}", is_figure=True),
)


def _presets(found: Sequence[PresetForecast]) -> Listing:
    """A row a preset."""
    return Listing(
        "presets",
        PRESET_COLUMNS,
        tuple(map(_preset_row, found)),
        "Voice to voice, ms, over the turns of which something is predicted",
        leave=("p95 measured",),
    )


def _preset_row(one: PresetForecast) -> Row:
    row: dict[str, object] = {"preset": one.preset, "weights": one.weights}
    for p in (50, 95):
        for when, estimate in (
            ("measured", one.measured(p / 100)),
            ("predicted", one.forecast(p / 100)),
        ):
            row |= _figures(f"p{p}_{when}", estimate)
    row |= _figures("change", one.change())
    return row | {
        "turns": len(one.predicted),
        "conversations": one.measured(0.5).n_conversations,
        "answered": len(one.turns),
        "unanswered": one.unanswered,
        "invalid": one.invalid.total(),
        "insufficient": one.measured(0.5).insufficient,
        "not_predicted": dict(one.reasons),
    }


def _figures(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {
        f"{name}_ms": estimate.value,
        f"{name}_low_ms": estimate.low,
        f"{name}_high_ms": estimate.high,
    }


EFFECT_COLUMNS = (
    Column("preset", "preset"),
    Column("change", "change"),
    Column("alone, median", lambda row: number(row["median_ms"], "+.0f"), is_figure=True),
    Column("moves the answer", lambda row: f"{row['moves']} of {row['turns']}", is_figure=True),
    Column("no such stage", "without_stage", is_figure=True),
)


def _effects(found: Sequence[PresetForecast], names: Sequence[str]) -> Listing:
    """A row for each change of each preset: in how many turns it alone moves the answer."""
    rows = tuple(_effect_row(one, name) for one in found if one.predicted for name in names)
    return Listing(
        "changes",
        EFFECT_COLUMNS,
        rows,
        "Each change alone: ms that the answer moves, and in how many turns it does",
    )


def _effect_row(one: PresetForecast, name: str) -> Row:
    moved = [turn.moved_ms[name] for turn in one.predicted]
    known = [ms for ms in moved if ms is not None]
    return {
        "preset": one.preset,
        "change": name,
        "median_ms": median(known) if known else None,
        "moves": sum(abs(ms) >= STILL_MS for ms in known),
        "turns": len(moved),
        "without_stage": len(moved) - len(known),
    }


TURN_COLUMNS = (
    Column("trial", "trial"),
    Column("turn", "turn", is_figure=True),
    Column("measured", lambda row: number(row["measured_ms"]), is_figure=True),
    Column("predicted", lambda row: number(row["predicted_ms"]), is_figure=True),
    Column("why not", "reason"),
)


def _turns(found: Sequence[PresetForecast]) -> Listing:
    """A row a turn."""
    rows = tuple(_turn_row(turn) for one in found for turn in one.turns)
    return Listing("turns", TURN_COLUMNS, rows, "Each turn, ms; over a network the median draw")


def _turn_row(turn: TurnForecast) -> Row:
    return {
        "trial": turn.trial.trial_id,
        "preset": turn.trial.preset,
        "fixture": turn.trial.fixture,
        "turn": turn.turn,
        "measured_ms": turn.measured_ms,
        "predicted_ms": median(turn.predicted_ms) if turn.predicted_ms else None,
        "reason": turn.reason,
        **{f"{name} alone, ms": ms for name, ms in turn.moved_ms.items()},
    }


def _notes(found: Sequence[PresetForecast], changes: Sequence[Change]) -> Iterator[str]:
    """What the figures leave out, in sentences."""
    for one in found:
        yield from _left_out(one)
        for reason, n in one.reasons.most_common():
            yield f"{one.preset}: {n} of {len(one.turns)} turns are not predicted: {reason}."
        for change in changes:
            row = _effect_row(one, change.text)
            if one.predicted and not row["moves"] and row["without_stage"] < row["turns"]:
                yield (
                    f"{one.preset}: {change.text} alone moves no answer: nothing waited for that "
                    "much of the stage."
                )
        if one.predicted and (said := one.measured(0.5).insufficient):
            yield f"{one.preset}: no interval: {said}."
    if any(_is_earlier(one, change) for one in found for change in changes):
        yield EARLIER


def _left_out(one: PresetForecast) -> Iterator[str]:
    """The turns that are in neither column, with the reason."""
    from bench.metrics.validity import SYNTHETIC

    if one.weights == "synthetic" and not one.turns:
        yield f"{one.preset}: {SYNTHETIC}."
    if one.unanswered:
        yield f"{one.preset}: turns without an answer stay so, and are left out: {one.unanswered}."
    if one.invalid:
        n, why = one.invalid.total(), one.invalid.most_common(1)[0][0]
        yield f"{one.preset}: answers that are not valid are left out: {n}; for one: {why}."


def _is_earlier(one: PresetForecast, change: Change) -> bool:
    """A change makes a release come earlier."""
    is_of_release = "endpointing_delay" in (change.stage.name, change.stage.within)
    moved = [turn.moved_ms[change.text] or 0.0 for turn in one.predicted]
    return is_of_release and min(moved, default=0.0) <= -STILL_MS
