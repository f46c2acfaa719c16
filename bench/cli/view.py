"""``duplex-lab view``: the runs below results/ in the browser, also one that goes on."""

from __future__ import annotations

import contextlib
import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from bench.report.text.escape import visible
from pipelines.errors import LabError


def view(
    root: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="The folder that holds the runs.")
    ] = Path("results"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0: a free one.")
    ] = 8090,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in this machine's browser.")
    ] = True,
) -> None:
    """See all runs in the browser, each run's page, and a run while it goes on (Ctrl-C ends it).

    This machine alone can open it, and nothing outside the folder can be read by it.
    """
    from bench.view.server import serve

    if not root.is_dir():
        raise LabError(f"{root}: there is no such folder; name the one that holds the runs.")

    def told(url: str) -> None:
        typer.echo(f"The runs of {visible(str(root))}: {url}\nCtrl-C ends it.")
        if open_page:
            webbrowser.open(url)

    with contextlib.suppress(OSError):
        os.nice(10)  # a run that goes on has the machine first
    try:
        serve(root, port, told)
    except KeyboardInterrupt:
        typer.echo("The view has ended; the runs are as they were.")
