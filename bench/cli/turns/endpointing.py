"""``duplex-lab endpointing``: how well methods tell the end of a turn from a pause in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from bench.stats.format import number
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.endpointing.policy import Point
    from bench.endpointing.turns import UserTurn
    from bench.report.plots.endpointing import Line
    from pipelines.cascade.endpointing.methods import Method

ALONE = "silence alone"
"""The policies that know nothing but time."""


def endpointing(
    presets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Presets of cascades, or methods: vad-200, vad-600, smart-turn, pipecat, eager.",
            show_default="all methods",
        ),
    ] = None,
    fixtures: Annotated[
        str,
        typer.Option(
            help="Names, globs, tags, kinds, or all; each recording counts once.",
            show_default="all without noise",
        ),
    ] = "",
    rows: Annotated[
        Path | None,
        typer.Option(help="Turns in eot-bench's schema (Parquet), in place of the fixtures."),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(help="A predictions.parquet of eot-bench's, scored beside the methods."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="A kept run (a folder, or latest): what its whole agents made of it."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of what the methods said: what lies there is not done again."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw cut-offs against waiting into this .png or .svg.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """Measure how well methods tell the end of a turn from a pause in it.

    First in the terms of eot-bench: every policy of threshold, delay and timeout is tried on the
    method's estimates, and the best are shown; its latency is waiting alone. Then as heard: the
    method's own policy, with the time that it takes to compute. Nothing is played. What a whole
    agent makes of it is measured by a run: --run reads one.
    """
    from loguru import logger

    logger.disable("pipecat")  # before it is imported: it greets
    from bench.endpointing import predictions as given
    from bench.endpointing.kept import Kept
    from bench.endpointing.played import as_played
    from bench.endpointing.policy import frontier, scored, silence_alone, sweep
    from bench.endpointing.tables import as_decided, operating_points
    from bench.report.plots.endpointing import Line
    from bench.store.results import find_run

    suffix = _suffix(figure)
    _require_folder(figure)
    if rows is not None and fixtures:
        raise LabError("--rows stands in place of the fixtures: leave --fixtures away.")
    files = predictions or []
    played = [] if run is None else as_played(find_run(run))
    methods = _methods(presets, none=bool(files or played) and not presets)
    if not methods and not files:
        _refuse_figure(figure)
        print_lists(form, _played(run, played), notes=NOTES_OF_A_RUN)
        return
    points: list[Row] = []
    heard: list[Row] = []
    lines: list[Line] = []
    if methods:
        turns = _turns(fixtures, rows)
        _make(out)
        kept = Kept(out, turns, _tell)
        for method in methods:
            of = scored(kept.estimates(method), method.name)
            best = list(sweep(of))
            points += operating_points(method.name, of, best)
            own = None
            if method.has_policy:
                heard.append(as_decided(method.name, kept.decided(method)))
                own = _own(heard[-1])
            lines.append(Line(method.name, _places(frontier(best)), own))
    for path in files:
        of = scored(given.read(path)[0], str(path))
        best = list(sweep(of))
        name = path.stem if path.stem != "predictions" else path.parent.name
        points += operating_points(name, of, best)
        lines.append(Line(name, _places(frontier(best))))
    alone = list(silence_alone(of))
    points += operating_points(ALONE, of, alone)
    lines.append(Line(ALONE, _places(frontier(alone))))
    _clear()
    lists = [
        Listing("by_silences", BY_SILENCES, tuple(points), "By silences, in eot-bench's terms")
    ]
    if heard:
        title = "As heard: each method's own policy, computing included"
        lists.insert(0, Listing("as_heard", AS_HEARD, tuple(heard), title))
    if played:
        lists.insert(0, _played(run, played))
    print_lists(form, *lists, notes=(*NOTES, *(NOTES_OF_A_RUN if played else ())))
    if figure is not None:
        _write(figure, lines, suffix)


def _played(run: Path | None, rows: Sequence[Row]) -> Listing:
    return Listing("as_played", AS_PLAYED, tuple(rows), f"As played: the whole agents of {run}")


def _refuse_figure(figure: Path | None) -> None:
    if figure is not None:
        raise LabError(
            f"--figure {figure}: a run has one point a preset and no curve; name presets or "
            "methods too."
        )


def _methods(names: Sequence[str] | None, *, none: bool) -> list[Method]:
    from pipelines.cascade.endpointing import methods
    from pipelines.errors import SpecError
    from pipelines.spec import load_spec

    if not names:
        return [] if none else list(methods.METHODS)
    found: list[Method] = []
    for name in names:
        row = methods.find(name)
        if row is None:
            try:
                row = methods.of_preset(load_spec(name))
            except SpecError as error:
                raise LabError(f"{error} Methods: {', '.join(methods.NAMES)}.") from None
        found.append(row)
    return found


def _turns(fixtures: str, rows: Path | None) -> list[UserTurn]:
    from bench.endpointing.rows import read_rows
    from bench.endpointing.turns import turns_of
    from bench.fixtures.library import select

    chosen = select(fixtures or "all") if rows is None else []
    clean = [fixture for fixture in chosen if fixtures or not fixture.variant]
    turns = list(turns_of(clean) if rows is None else read_rows(rows))
    if not any(len(turn.silences) > 1 for turn in turns):
        raise LabError(
            f"{rows or fixtures}: no turn has a pause in it, so that nothing could be cut off; "
            "fixtures with pauses: hesitation."
        )
    return turns


def _own(row: Row) -> tuple[float, float] | None:
    """Mean wait and share of cut pauses of a method's own policy."""
    if row["cut_offs"] is None:
        return None
    return row["wait_mean_ms"] / 1000, row["cut_offs"] / 100


def _places(points: Sequence[Point]) -> list[tuple[float, float]]:
    return [(point.latency_s, point.cut_off_rate) for point in points]


def _interval(row: Row, name: str, low: str, high: str) -> str:
    if row[name] is None:
        return number(None)
    value = number(row[name])
    return value if row[low] is None else f"{value} [{number(row[low])}–{number(row[high])}]"


AS_HEARD = (
    Column("method", "method"),
    Column("cut-offs %", lambda r: _interval(r, "cut_offs", "cut_offs_low", "cut_offs_high"), True),
    Column("pauses", "pauses", True),
    Column(
        "wait p50 ms",
        lambda r: _interval(r, "wait_p50_ms", "wait_p50_low_ms", "wait_p50_high_ms"),
        True,
    ),
    Column("p95", lambda r: number(r["wait_p95_ms"]), True),
    Column("turns", "turns", True),
    Column("mid-speech", "mid_speech", True),
    Column("never", "never", True),
    Column("decided p50", lambda r: number(r["decided_p50_ms"]), True),
    Column("CPU %", lambda r: number(r["cpu_percent"], ".1f"), True),
)
AS_PLAYED = (
    Column("preset", "preset"),
    Column("weights", "weights"),
    Column("cut-offs %", lambda r: _interval(r, "cut_offs", "cut_offs_low", "cut_offs_high"), True),
    Column("pauses", "pauses", True),
    Column(
        "heard p50 ms",
        lambda r: _interval(r, "heard_p50_ms", "heard_p50_ms_low", "heard_p50_ms_high"),
        True,
    ),
    Column(
        "p95",
        lambda r: _interval(r, "heard_p95_ms", "heard_p95_ms_low", "heard_p95_ms_high"),
        True,
    ),
    Column("slowest", lambda r: number(r["slowest_ms"]), True),
    Column("decided p50", lambda r: number(r["decided_p50_ms"]), True),
    Column("turns", "turns", True),
    Column("unanswered", "unanswered", True),
    Column("right %", lambda r: _interval(r, "right", "right_low", "right_high"), True),
)
BY_SILENCES = (
    Column("method", "method"),
    Column("budget", "budget"),
    Column("cut-offs %", lambda r: _interval(r, "cut_offs", "cut_offs_low", "cut_offs_high"), True),
    Column(
        "latency ms",
        lambda r: _interval(r, "latency_ms", "latency_low_ms", "latency_high_ms"),
        True,
    ),
    Column("threshold", lambda r: number(r["threshold"], ".2f"), True),
    Column("delay s", lambda r: number(r["action_delay_s"], ".2f"), True),
    Column("timeout s", lambda r: number(r["timeout_s"], ".2f"), True),
    Column("pauses", "pauses", True),
    Column("ends", "ends", True),
)
NOTES_OF_A_RUN = (
    "A run's waits end with the first sound of the answer, and hold what language model and voice "
    "took; its cut-offs are sounds of the agent in a labelled pause.",
)
NOTES = (
    "Of the policies tried, the best on these same silences is shown: its interval is for the "
    "point, and promises nothing for other recordings. A dash: no policy keeps the budget.",
    "Figures published for eot-bench are of people and of other recordings: they are not to be set "
    "beside these.",
)


def _suffix(figure: Path | None) -> Literal["png", "svg"]:
    if figure is not None and figure.suffix not in (".png", ".svg"):
        raise LabError(f"--figure {figure}: its name must end with .png or .svg.")
    return "svg" if figure is not None and figure.suffix == ".svg" else "png"


def _require_folder(figure: Path | None) -> None:
    """Refuses a picture that can't be written, before minutes are spent on it."""
    if figure is not None and not figure.parent.is_dir():
        raise LabError(f"--figure {figure}: there is no folder {figure.parent}.")


def _make(out: Path | None) -> None:
    """Makes the folder of what the methods said, before minutes are spent on it."""
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"--out {out}: no such folder can be made: {error.strerror}.") from None


def _write(figure: Path, lines: Sequence[Line], form: Literal["png", "svg"]) -> None:
    from bench.report.plots.endpointing import bytes_of
    from bench.store.atomic import atomic_write

    atomic_write(figure, bytes_of(lines, form))
    typer.echo(f"{figure}", err=True)


def _tell(what: str, done: int, total: int) -> None:
    """One line that is written over on a terminal; elsewhere a line a quarter."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}: {done} of {total} turns", end="", file=sys.stderr, flush=True)
    elif done % max(1, total // 4) == 0:
        print(f"{what}: {done} of {total} turns", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
