"""``duplex-lab compare``: compares two runs, or two presets of one; and checks gates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import typer

from bench.cli.comparing.options import (
    AcrossMachines,
    Form,
    Gates,
    JsonFile,
    JunitFile,
    MarkdownFile,
    Metrics,
    Presets,
    Runs,
)
from bench.cli.comparing.printed import as_json, print_comparison
from bench.cli.comparing.sides import metrics_of, sides_of
from bench.report.text.listing import Format
from bench.store.results import find_run
from pipelines.errors import LabError


def compare_command(
    runs: Runs,
    presets: Presets = None,
    metrics: Metrics = None,
    gate: Gates = None,
    across_machines: AcrossMachines = False,
    junit_file: JunitFile = None,
    markdown_file: MarkdownFile = None,
    json_file: JsonFile = None,
    form: Form = Format.table,
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
    wanted = metrics_of(metrics)
    paths = [find_run(run) for run in runs]
    sides, remarks, options = sides_of(paths, presets, across_machines=across_machines)
    found = [
        replace(pair, notes=tuple(remarks[i]), options=options[i])
        for i, pair in enumerate(compare(sides, wanted))
    ]
    outcomes = judge(gates, sides)
    print_comparison(found, outcomes, form)
    writers: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
        (junit_file, lambda: junit(outcomes)),
        (markdown_file, lambda: markdown(found, outcomes).encode()),
        (json_file, lambda: as_json(found, outcomes)),
    )
    for path, content in writers:
        if path is not None:
            atomic_write(path, content())
    raise typer.Exit(exit_code(outcomes))
