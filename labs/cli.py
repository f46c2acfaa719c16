"""``duplex-lab labs``: begin a lab, check one's work, hand it in; and grade a class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.console import console
from bench.escape import visible
from labs import catalogue
from labs.check import Result, Submission, examine
from labs.code import OwnBox

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The coursework: labs, their checks, and the grader.",
)

LabName = Annotated[str, typer.Argument(metavar="LAB", help="5a, 5b or 5c.")]
Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="Where you work; default: here.")]

SIGNS = {True: "passed", False: "not yet", None: "not run"}


@app.command("list")
def list_() -> None:
    """The labs, with what is checked in each."""
    say = console().print
    for name in catalogue.present():
        lab = catalogue.load(name)
        say(f"{lab.name}  {lab.title}", markup=False)
        for check in lab.checks:
            say(f"    {check.name}: {check.what}", markup=False, soft_wrap=True)


@app.command()
def start(
    lab: LabName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of your own.")],
) -> None:
    """Copy a lab's starter and its task into a folder of your own; nothing there is replaced."""
    from labs.start import copy_starter

    copied = copy_starter(lab, folder)
    console().print(f"{copied} files are in {folder}; begin with {folder / 'README.md'}.")


@app.command()
def check(lab: LabName, folder: Folder = Path()) -> None:
    """What passes, what does not yet, and why. Your code is run, without a sandbox.

    Exit code: 0 all passes, 1 something does not yet.
    """
    raise typer.Exit(_examined(lab, folder))


@app.command()
def solve(
    lab: Annotated[list[str], typer.Argument(metavar="LAB…", help="Default: all.")] = [],  # noqa: B006
    into: Annotated[Path, typer.Option(help="A folder per lab is made in it.")] = Path(
        "build/labs"
    ),
) -> None:
    """Run the worked solutions, and check what they hand in: for CI, and for teachers."""
    from labs.start import solve as run_solution

    code = 0
    for name in lab or catalogue.present():
        console().print(f"lab {name}, in {into / name}", markup=False)
        run_solution(name, into / name)
        code = max(code, _examined(name, into / name))
    raise typer.Exit(code)


def _examined(lab: str, folder: Path) -> int:
    results = examine(catalogue.load(lab), Submission(folder, OwnBox()))
    show(results)
    passed = sum(result.verdict.passed is True for result in results)
    console().print(f"{passed} of {len(results)} checks pass.")
    return 0 if passed == len(results) else 1


def show(results: list[Result]) -> None:
    """A line for each check."""
    for result in results:
        sign = SIGNS[result.verdict.passed]
        text = f"{sign:<8} {result.check.name}: {visible(result.verdict.why)}"
        console().print(text, markup=False, soft_wrap=True)
