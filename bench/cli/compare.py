"""``duplex-lab compare``: compares two runs, or two presets of one; and checks gates."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Format, print_lists
from bench.store.results import find_run
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.compare.compare import Compared, PairComparison
    from bench.compare.gate import Outcome
    from bench.compare.options import OptionDifference
    from bench.compare.pairs import Side


def compare_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Two runs' folders, base first; or one, with --presets."
        ),
    ],
    presets: Annotated[
        str | None,
        typer.Option(
            "--presets",
            "--preset",
            help="Of one run: BASE,CANDIDATE[,…]. Of two: those to compare, or BASE=CANDIDATE "
            "where the names differ; by default all that both hold.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Compare only these beside the rates of turns without an answer and not valid: "
            "voice_to_voice,endpointing_delay,… Fewer metrics allow more verdicts."
        ),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            help="A limit, for CI: METRIC.p50|p95|p99|mean|rate, <= or >=, and 1.05x (per base), "
            "+30ms (minus base) or 400ms (candidate alone); PRESET: before it limits this "
            "candidate only. May be given several times."
        ),
    ] = None,
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare even if the machines differ.")
    ] = False,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", help="Write the gates as JUnit XML.")
    ] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="Write tables and gates as Markdown.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures, not rounded.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """Is it faster, slower, or undecided? Metric by metric, on the turns that both answered.

    Turns that are not valid, and those without an answer, are left out of times; their rates are
    compared first. Verdicts hold together: the same agent measured twice differs in any metric that
    is shown in at most 5 % of cases.

    A gate is broken only where the whole 95 % interval lies beyond its limit: surely slower. It
    holds only where the whole interval lies within. Where the limit lies inside, or there are too
    few conversations for an interval (20; for p95 59, against a base 72), n is too small to say.
    Several gates share the 5 %.

    Exit codes: 0 all gates hold (or there is none), 1 a gate is broken, 2 none is broken but one is
    undecided: its line says "can't say". Bad usage and runs that can't be compared end with 2 too,
    with a line on stderr that begins with "duplex-lab:", and write no file.
    """
    from bench.compare.compare import compare
    from bench.compare.gate import Gate, exit_code, judge
    from bench.report.text.comparison import markdown
    from bench.report.text.junit import junit
    from bench.store.atomic import atomic_write

    gates = [Gate.parse(text) for text in gate or ()]
    if junit_file is not None and not gates:
        raise LabError("--junit writes gates: give at least one --gate.")
    wanted = _metrics(metrics)
    paths = [find_run(run) for run in runs]
    sides, remarks, options = _sides(paths, presets, across_machines=across_machines)
    found = [
        replace(pair, notes=tuple(remarks[i]), options=options[i])
        for i, pair in enumerate(compare(sides, wanted))
    ]
    outcomes = judge(gates, sides)
    _print(found, outcomes, form)
    writers: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
        (junit_file, lambda: junit(outcomes)),
        (markdown_file, lambda: markdown(found, outcomes).encode()),
        (json_file, lambda: _json(found, outcomes)),
    )
    for path, content in writers:
        if path is not None:
            atomic_write(path, content())
    raise typer.Exit(exit_code(outcomes))


def _metrics(names: str | None) -> Sequence[Compared]:
    from bench.compare.compare import COMPARED
    from bench.metrics.table import SHARES

    if names is None:
        return COMPARED
    known = {one.metric: one for one in COMPARED}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        what = f"{unknown[0]!r} is not compared" if unknown else "none is named"
        raise LabError(f"--metrics: {what}; there are {', '.join(known)}.")
    # Whatever is chosen: no time stands without the share of turns that it leaves out.
    return [known[name] for name in dict.fromkeys([*(share.name for share in SHARES), *wanted])]


def _sides(
    runs: Sequence[Path], presets: str | None, *, across_machines: bool
) -> tuple[list[tuple[Side, Side]], list[list[str]], list[tuple[OptionDifference, ...]]]:
    """The pairs to compare; of each, sentences about it and the options that differ."""
    from bench.compare.comparable import check_runs, check_sides
    from bench.compare.options import differing

    if len(runs) > 2:
        raise LabError(f"compare takes one run or two, not {len(runs)}.")
    names = [name.strip() for name in (presets or "").split(",") if name.strip()]
    base = _Opened(runs[0])
    candidate = base if len(runs) == 1 else _Opened(runs[1])
    remarks = check_runs(base.origin, candidate.origin, across_machines=across_machines)
    if len(runs) == 1:
        wanted = _of_one_run(names)
    else:
        both = [name for name in base.presets if name in candidate.presets]
        wanted = [_split(name) for name in names] or [(name, name) for name in both]
        if not wanted:
            raise LabError(
                f"{runs[0]} and {runs[1]} hold no preset of the same name "
                f"({', '.join(base.presets)} and {', '.join(candidate.presets)}); name two with "
                "--presets BASE=CANDIDATE."
            )
    sides = [(base.side(own), candidate.side(theirs)) for own, theirs in wanted]
    said = [[*remarks, *check_sides(*pair), *base.proposed(pair)] for pair in sides]
    options = [differing(base.options(own), candidate.options(theirs)) for own, theirs in wanted]
    return sides, said, options


def _of_one_run(names: Sequence[str]) -> list[tuple[str, str]]:
    if any("=" in name for name in names):
        return [_split(name) for name in names]
    if len(names) < 2:
        raise LabError(
            "of one run two presets can be compared: name them, --presets BASE,CANDIDATE."
        )
    return [(names[0], name) for name in names[1:]]


def _split(name: str) -> tuple[str, str]:
    base, _, candidate = name.partition("=")
    return base.strip(), (candidate or base).strip()


class _Opened:
    """A run's folder, read only."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        from bench.compare.comparable import Origin
        from bench.store import store
        from bench.store.schema import VERSION_KEY
        from bench.summary.figures import figures_shown
        from bench.summary.summary import summarise

        self.path = path
        self.run = store.read_run(path)
        if not (path / "metrics.parquet").is_file():
            raise LabError(
                f"{path}: its metrics are not computed yet; run: duplex-lab metrics {path}"
            )
        self.rows = store.read_metrics(path)
        metadata = pq.read_schema(path / "metrics.parquet").metadata or {}
        summary = summarise(self.run, self.rows)
        frames = {one.preset: one for one in summary.duplex}
        self._shown = {p.preset: figures_shown(p, frames.get(p.preset)) for p in summary.presets}
        self.origin = Origin(str(path), self.run.info, int(metadata.get(VERSION_KEY, b"0")))

    @property
    def presets(self) -> list[str]:
        """The presets that it holds."""
        return list(dict.fromkeys(t.preset for t in self.run.trials if not t.warmup))

    def proposed(self, pair: tuple[Side, Side]) -> list[str]:
        """Says how many of the fixtures that both sides heard have proposed labels."""
        from bench.store.labels import proposed_note

        own, theirs = pair
        names = [n for n in self.run.proposed() if n in own.fixtures and n in theirs.fixtures]
        return [proposed_note(names)] if names else []

    def side(self, preset: str) -> Side:
        """One preset of it.

        Raises:
            LabError: there is none of that name.
        """
        from bench.compare.pairs import Side

        if preset not in self.presets:
            raise LabError(
                f"{self.path}: there is no preset {preset!r} in it; there are "
                f"{', '.join(self.presets) or 'none'}."
            )
        name = self.path.resolve().name
        return Side.of(name, preset, self.run.trials, self.rows, self._shown.get(preset))

    def options(self, preset: str) -> Mapping[str, Any] | None:
        """What the run recorded of a preset; None if nothing."""
        found = (self.run.info.get("presets") or {}).get(preset)
        return found if isinstance(found, Mapping) else None


def _print(found: Sequence[PairComparison], outcomes: Sequence[Outcome], form: Format) -> None:
    from bench.report.text.comparison import (
        block,
        gate_block,
        gate_sentence,
        listing,
        markdown,
        notes,
        option_lines,
    )

    if form is Format.csv:
        print_lists(form, listing(found))
        return
    if form is not Format.table:
        text = markdown(found, outcomes).encode() if form is Format.md else _json(found, outcomes)
        sys.stdout.write(text.decode())
        return
    out = console()
    for pair in found:
        out.table(block(pair))
        for line in option_lines(pair):
            out.say(line, indent="    ")
        out.line()
    if outcomes:
        out.table(gate_block(outcomes))
        out.line()
        for outcome in outcomes:
            out.say(gate_sentence(outcome))
    for note in notes(found):
        out.say(note, "dim")


def _json(found: Sequence[PairComparison], outcomes: Sequence[Outcome]) -> bytes:
    from bench.report.text.comparison import as_data

    text = json.dumps(as_data(found, outcomes), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
