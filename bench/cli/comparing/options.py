"""The options of ``duplex-lab compare``, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.report.text.listing import FORMAT_HELP, Format

Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN", help="Two runs' folders, base first; or one, with --presets."),
]
Presets = Annotated[
    str | None,
    typer.Option(
        "--presets",
        "--preset",
        help="Of one run: BASE,CANDIDATE[,…]. Of two: those to compare, or BASE=CANDIDATE "
        "where the names differ; by default all that both hold.",
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="Compare only these beside the rates of turns without an answer and not valid: "
        "voice_to_voice,endpointing_delay,… Fewer metrics allow more verdicts."
    ),
]
Gates = Annotated[
    list[str] | None,
    typer.Option(
        help="A limit, for CI: METRIC.p50|p95|p99|mean|rate, <= or >=, and 1.05x (per base), "
        "+30ms (minus base) or 400ms (candidate alone); PRESET: before it limits this "
        "candidate only. May be given several times."
    ),
]
AcrossMachines = Annotated[
    bool, typer.Option("--across-machines", help="Compare even if the machines differ.")
]
JunitFile = Annotated[Path | None, typer.Option("--junit", help="Write the gates as JUnit XML.")]
MarkdownFile = Annotated[
    Path | None, typer.Option("--markdown", help="Write tables and gates as Markdown.")
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write all figures, not rounded.")]
Form = Annotated[Format, typer.Option("--format", help=FORMAT_HELP)]
