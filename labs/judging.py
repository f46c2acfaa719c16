"""Common parts of the labs' checks: answers near a figure, tables, sentences for a person to
read.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

from labs.check import Check, Submission, SubmissionError, Verdict


def near(
    submission: Submission,
    key: str,
    wanted: float,
    absolute: float,
    relative: float = 0.01,
    source: str = "your own files",
) -> Verdict:
    """An answer compared with the other files handed in; the right value is not revealed.

    Args:
        submission: Whose answer.
        key: Key of the answer.
        wanted: What ``source`` gives.
        absolute: Largest absolute deviation,
        relative: or by this share.
        source: What the right value comes of, in words.
    """
    said = submission.answer(key, float)
    if math.isclose(said, wanted, rel_tol=relative, abs_tol=absolute):
        return Verdict(True, f"{key} = {said:g} agrees with {source}.")
    side = "above" if said > wanted else "below"
    return Verdict(False, f"{key} = {said:g} lies {side} what {source} give.")


def first_wrong(verdicts: Sequence[Verdict]) -> Verdict:
    """The first verdict that does not pass, or the last."""
    return next((v for v in verdicts if not v.passed), verdicts[-1])


def sentence(key: str, least: int) -> Check:
    """A check of an answer in words: that it exists; a person judges its content."""

    def check(submission: Submission) -> Verdict:
        said = submission.answer(key, str)
        text = f"{key}: {len(said)} characters, at least {least} wanted; a person reads it."
        return Verdict(len(said) >= least, text)

    name = key.replace(".", "-").replace("_", "-")
    return Check(name, f"{key}: a sentence or more, read by a person", check)


def table(
    submission: Submission, name: str, columns: Sequence[str], least: int = 1
) -> list[dict[str, str]]:
    """The rows of a CSV file.

    Raises:
        SubmissionError: it is missing, too short, or lacks a column.
    """
    rows = list(csv.DictReader(io.StringIO(submission.text(name))))
    if len(rows) < least or any(row.get(column) is None for row in rows for column in columns):
        raise SubmissionError(f"{name} needs {least} rows or more, with {', '.join(columns)}.")
    return rows


def number(row: Mapping[str, str], column: str, name: str) -> float:
    """A number of a row of the file ``name``.

    Raises:
        SubmissionError: it is not a number, or not finite.
    """
    try:
        found = float(row[column])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise SubmissionError(f"{name}: {column} = {row[column]!r} is not a number.")
    return found
