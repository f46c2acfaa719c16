"""The results of a class: one CSV, and an HTML page per submission with all findings."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.report.text.csv_rows import csv_row
from labs.evidence.finding import KINDS
from labs.grading.worker import Graded
from labs.pack import write_report

LIMITS = (
    "What is named here are contradictions between marks, recordings, figures and the fixture's "
    "own audio. A run that was invented as a whole, without a contradiction, can't be "
    "distinguished from a measured one: ask the student to measure again beside you. Two "
    "submissions that share a recording are both named; who copied can't be seen."
)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .3rem; border-bottom: 1px solid #ccc }
.yes { color: #176b2c } .no { color: #a11 } .open { color: #666 }
td { overflow-wrap: anywhere }
"""
WORDS = {True: ("yes", "passed"), False: ("no", "not passed"), None: ("open", "not run")}


def write_all(
    graded: Sequence[Graded],
    out: Path,
    sandbox: str,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Writes ``grades.csv``, then the pages: one that can't be written keeps none of the others.

    Args:
        graded: The class.
        out: The folder.
        sandbox: A sentence about how code was run.
        tell: Told of each page that could not be written.

    Returns:
        The CSV.
    """
    names = _page_names(graded)
    path = out / "grades.csv"
    write_report(path, table(graded, names))
    for one, name in zip(graded, names, strict=True):
        try:
            write_report(out / name, page(one, sandbox))
        except Exception as error:  # whatever a submission has put there
            tell(f"{one.file}: its page was not written: {type(error).__name__}: {error}")
    return path


def table(graded: Sequence[Graded], names: Sequence[str]) -> str:
    """The CSV: a line per submission, a column per check."""
    checks = list(dict.fromkeys(r["name"] for one in graded for r in one.results))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["file", "student", "lab", "passed", "checks", "not_run", "findings", "error", "page"]
    writer.writerow([*head, *checks])
    for one, name in zip(graded, names, strict=True):
        said = {r["name"]: WORDS[r["passed"]][1] for r in one.results}
        not_run = sum(r["passed"] is None for r in one.results)
        kinds = dict.fromkeys(f["kind"] for f in one.findings)
        row: list[object] = [one.file, one.student, one.lab, one.passed, len(one.results), not_run]
        row += [" ".join(kinds), one.error, name, *(said.get(check, "") for check in checks)]
        writer.writerow(csv_row(row))
    return text.getvalue()


def page(one: Graded, sandbox: str) -> str:
    """The page of one submission."""
    e = html.escape
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{e(one.file)}</title><style>{STYLE}</style>",
        f"<h1>Lab {e(one.lab or '?')}: {e(one.student or one.file)}</h1>",
        f"<p>{e(one.file)}: {one.passed} of {len(one.results)} checks pass.</p>",
    ]
    if one.error:
        parts.append(f"<p class='no'>{e(one.error)}</p>")
    if one.results:
        parts.append("<h2>Checks</h2><table>")
        for result in one.results:
            css, word = WORDS[result["passed"]]
            parts.append(
                f"<tr><td class='{css}'>{word}<td>{e(result['name'])}<br>"
                f"<small>{e(result['what'])}</small><td>{e(result['why'])}"
            )
        parts.append("</table>")
    parts.append("<h2>Does it agree with itself?</h2>")
    if one.findings:
        parts.append("<table>")
        for f in one.findings:
            where = " ".join(x for x in (f["run"], f["trial"]) if x)
            parts.append(
                f"<tr><td>{e(f['kind'])}<br><small>{e(KINDS.get(f['kind'], ''))}</small>"
                f"<td>{e(where)}<td>{e(f['text'])}"
            )
        parts.append("</table>")
    elif not one.error:
        parts.append("<p class='yes'>No contradiction was found.</p>")
    parts.append(f"<p><small>{e(LIMITS)} {e(sandbox.capitalize())}.</small></p></html>")
    return "\n".join(parts) + "\n"


def _page_names(graded: Sequence[Graded]) -> list[str]:
    """A file name for each, safe and unique."""
    names: list[str] = []
    for one in graded:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(one.file).stem).strip(".") or "submission"
        name, number = f"{stem}.html", 2
        while name.casefold() in (n.casefold() for n in names):
            name, number = f"{stem}-{number}.html", number + 1
        names.append(name)
    return names
