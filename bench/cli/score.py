"""``duplex-lab score``: recorded calls, measured as what was heard of any agent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible
from bench.store.results import RESULTS, new_run_id
from pipelines.errors import LabError


def score_command(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="A stereo recording, or a folder of them, or of pairs NAME.user.wav, "
            "NAME.agent.wav; WAV, FLAC, Ogg, Opus, MP3. Words with times beside them (NAME.json, "
            ".vtt, .srt) are used.",
        ),
    ],
    form: Annotated[
        Literal["calls", "full-duplex-bench"],
        typer.Option("--format", help="Layout of the folder."),
    ] = "calls",
    task: Annotated[
        str,
        typer.Option(
            help="Task of Full-Duplex-Bench's samples, where neither their files nor the names of "
            "their folders say it.",
        ),
    ] = "",
    user: Annotated[
        Literal["left", "right"], typer.Option(help="Channel of a stereo file that is the user's.")
    ] = "left",
    name: Annotated[
        str, typer.Option(help="Name of the agent in the tables.", show_default="recorded")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default results/<time>-<name>.")
    ] = None,
) -> None:
    """Measure calls that were recorded: voice to voice, interruptions, pauses, overlap.

    The turns are those of words that lie beside a call, else proposed by a detector of speech, and
    the tables say which. Of Full-Duplex-Bench's folders its own figures stand beside ours. The
    files are never changed. Exit codes: 0 done; 1 done, but some calls were left out; 2 bad input.
    """
    from bench.cli.results import show
    from bench.recorded.files import calls_in
    from bench.recorded.full_duplex_bench import samples_in
    from bench.recorded.score import PRESET, score
    from pipelines.guards.texts import fit_name

    if task and form == "calls":
        raise LabError("--task is for --format full-duplex-bench.")
    preset = fit_name(name or PRESET)
    run_dir = out or RESULTS / new_run_id([preset])
    left_out = score(
        calls_in(what) if form == "calls" else samples_in(what, task),
        run_dir,
        user=user,
        preset=preset,
        tell=lambda text: print(visible(text), file=sys.stderr, flush=True),
    )
    show(str(run_dir))
    for sentence in left_out:
        console().say(f"left out: {visible(sentence)}")
    if left_out:
        raise typer.Exit(1)
