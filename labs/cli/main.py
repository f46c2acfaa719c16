"""``duplex-lab labs``: start a lab, check one's work, hand it in; and grade a class."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, print_lists

if TYPE_CHECKING:
    from labs.check import Result

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The coursework: labs, their checks, and the grader.",
)

LabName = Annotated[str, typer.Argument(metavar="LAB", help="5a, 5b or 5c.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where you work; default: here.")]

SIGNS = {True: "passed", False: "not yet", None: "not run"}


COLUMNS = (
    Column("lab", "lab"),
    Column("title", "title"),
    Column("check", "check"),
    Column("what it looks at", "what"),
)


@app.command("list")
def list_(
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """The labs, with what is checked in each: a line a check."""
    from labs import catalogue

    labs = [catalogue.load(name) for name in catalogue.present()]
    if form is not Format.table:
        rows = tuple(
            {"lab": lab.name, "title": lab.title, "check": check.name, "what": check.what}
            for lab in labs
            for check in lab.checks
        )
        print_lists(form, Listing("checks", COLUMNS, rows))
        return
    for lab in labs:
        console().line(f"{lab.name}  {lab.title}")
        for check in lab.checks:
            console().say(f"    {check.name}: {check.what}", indent=" " * 8)


@app.command()
def start(
    lab: LabName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of your own.")],
) -> None:
    """Copy a lab's starter and its task into a folder of your own; nothing there is replaced."""
    from labs.start import copy_starter

    copied = copy_starter(lab, folder)
    console().line(f"{copied} files are in {folder}; begin with {folder / 'README.md'}.")


@app.command()
def check(lab: LabName, folder: Folder = Path()) -> None:
    """What passes, what does not yet, and why. Your code is run, without a sandbox.

    Exit code: 0 all passes, 1 something does not yet.
    """
    raise typer.Exit(_examined(lab, folder))


@app.command()
def solve(
    lab: Annotated[list[str], typer.Argument(metavar="LAB", help="Default: all.")] = [],  # noqa: B006
    into: Annotated[Path, typer.Option(help="A folder per lab is made in it.")] = Path(
        "build/labs"
    ),
) -> None:
    """Run the worked solutions, and check what they hand in: for CI, and for teachers."""
    from labs import catalogue
    from labs.start import solve as run_solution

    code = 0
    for name in lab or catalogue.present():
        console().line(f"lab {name}, in {into / name}")
        run_solution(name, into / name)
        code = max(code, _examined(name, into / name))
    raise typer.Exit(code)


@app.command()
def submit(
    lab: LabName,
    folder: Folder = Path(),
    name: Annotated[str, typer.Option(help="Your name, or what your teacher knows you by.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="The zip; default: lab<LAB>-<NAME>.zip here.")
    ] = None,
) -> None:
    """Pack what is handed in into one zip: runs with recordings, code, answers, with hashes."""
    from labs import catalogue
    from labs.pack import pack

    who = name or getpass.getuser()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", who)
    path = out or Path(f"lab{lab}-{safe}.zip")
    count = pack(catalogue.load(lab), folder, who, path)
    size = path.stat().st_size / 2**20
    console().line(f"{path}: {count} files, {size:.1f} MB. Hand in this one file.")


@app.command()
def grade(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Submissions: zips, folders.")],
    lab: Annotated[str, typer.Option(help="Default: the one that each zip names.")] = "",
    out: Annotated[Path, typer.Option(help="Where the CSV and the pages go.")] = Path("grades"),
) -> None:
    """Grade a class: checks, contradictions, copies. Code runs in a sandbox, or not at all.

    Exit code: 0, whatever the grades are.
    """
    from labs.grading.grade import grade_class, submissions
    from labs.grading.pages import write_all
    from labs.grading.sandbox import find_sandbox

    say = console().line
    paths = submissions(folder)
    bwrap, sentence = find_sandbox()
    say(sentence.capitalize() + ".")
    program = bwrap.program if bwrap is not None else ""

    def tell(line: str) -> None:
        say(line)

    graded = grade_class(paths, lab, program, tell)
    path = write_all(graded, out, sentence, tell)
    named = [one for one in graded if one.findings or one.error]
    say()
    say(
        f"{path}: {len(graded)} submissions, {len(named)} with something to look at"
        + (":" if named else ".")
    )
    for one in named:
        kinds = dict.fromkeys(f["kind"] for f in one.findings)
        tell(f"  {one.file}: {one.error or ', '.join(kinds)}")


def _examined(lab: str, folder: Path) -> int:
    from labs import catalogue
    from labs.check import Submission, examine
    from labs.code import OwnBox

    results = examine(catalogue.load(lab), Submission(folder, OwnBox()))
    show(results)
    passed = sum(result.verdict.passed is True for result in results)
    console().line(f"{passed} of {len(results)} checks pass.")
    return 0 if passed == len(results) else 1


def show(results: list[Result]) -> None:
    """A line for each check."""
    for result in results:
        sign = SIGNS[result.verdict.passed]
        console().line(f"{sign:<8} {result.check.name}: {result.verdict.why}")
