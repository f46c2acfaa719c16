"""A lab, a submission and a verdict: the contract of ``checks.py``.

A lab's folder holds ``README.md`` (the task), ``starter/`` (copied by ``labs start``),
``solution/`` (the worked files; its ``solve.py`` makes everything to hand in, see ``labs solve``)
and ``checks.py`` with ``LAB = Lab(…)``. A check is a function of a `Submission` that gives a
`Verdict`; its ``why`` says what is missing or does not agree, never the answer.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bench.metrics.compute import compute
from bench.store import store
from bench.store.records import MetricRow
from labs.code import Box, call
from labs.within import within
from pipelines.errors import LabError
from pipelines.guards.texts import parse_toml

ANSWERS = "answers.toml"
LARGEST_TEXT = 1_000_000
"""Most bytes that are read of one text file of a submission."""
LONGEST_S = 180.0
"""Longest time of one check: a submitted pattern may be made to run without end."""

T = TypeVar("T", int, float, str, bool, list, dict)  # type: ignore[type-arg]


class SubmissionError(LabError):
    """Something in a submission is missing or can't be read; reported as the check's ``why``."""


class NotRunError(LabError):
    """The code was not run, as there is no sandbox: the check is undecided."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check."""

    passed: bool | None
    """True if it passed; None: it could not be checked (code was not run, without a sandbox)."""
    why: str
    """One sentence or two: what is there, or what is missing; never the answer."""


@dataclass(frozen=True)
class Submission:
    """A folder that a student handed in, or works in. Reading it changes nothing on disk."""

    root: Path
    """Folder of code, `ANSWERS`, ``results/<run>/`` and pictures."""
    box: Box | None = None
    """Box in which its code runs; None: its code does not run."""
    call_s: float = 20.0
    """Longest time of one call, s."""
    _memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def path(self, name: str) -> Path:
        """A file or folder of it.

        Raises:
            SubmissionError: it does not exist, or lies outside.
        """
        found = self.root / name
        if not found.resolve().is_relative_to(self.root.resolve()):
            raise SubmissionError(f"{name}: lies outside the submission.")
        if not found.exists():
            raise SubmissionError(f"{name} is not there yet.")
        return found

    def text(self, name: str) -> str:
        """A text file.

        Raises:
            SubmissionError: it is missing, too long, or not UTF-8.
        """
        path = self.path(name)
        if not path.is_file() or path.stat().st_size > LARGEST_TEXT:
            raise SubmissionError(f"{name}: is not a text file of at most {LARGEST_TEXT:,} bytes.")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SubmissionError(f"{name}: can't be read as UTF-8 text ({error}).") from None

    def answers(self) -> Mapping[str, Any]:
        """The contents of `ANSWERS`.

        Raises:
            SubmissionError: it is missing or not TOML.
        """
        try:
            return parse_toml(self.text(ANSWERS))
        except tomllib.TOMLDecodeError as error:
            raise SubmissionError(f"{ANSWERS}: {error}.") from None

    def answer(self, key: str, kind: type[T]) -> T:
        """One answer, by its key: ``floor.predicted_ms`` is a key in the table ``[floor]``.

        Raises:
            SubmissionError: it is missing, still ``"TODO"``, of another type, or not finite.
        """
        found: Any = self.answers()
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is None or found == "TODO":
            raise SubmissionError(f"{ANSWERS}: {key} is not answered yet.")
        if kind is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        if not isinstance(found, kind) or (kind is not bool and isinstance(found, bool)):
            raise SubmissionError(f"{ANSWERS}: {key} must be of type {kind.__name__}.")
        if isinstance(found, float) and not math.isfinite(found):
            raise SubmissionError(f"{ANSWERS}: {key} = {found} is not a finite number.")
        return found

    def run_folders(self) -> list[Path]:
        """The runs under ``results/``, by name."""
        folder = self.root / "results"
        return sorted(p for p in folder.glob("*") if p.is_dir()) if folder.is_dir() else []

    def run(self, name: str) -> store.Run:
        """The run ``results/NAME``; read once.

        Raises:
            LabError: it is missing or damaged.
        """
        if f"run {name}" not in self._memo:
            self._memo[f"run {name}"] = store.read_run(self.path(f"results/{name}"))
        found: store.Run = self._memo[f"run {name}"]
        return found

    def rows(self, name: str) -> list[MetricRow]:
        """The metrics of a run, computed again from its marks and recordings: never as stored.

        Raises:
            LabError: the run is missing or damaged.
        """
        if f"rows {name}" not in self._memo:
            self._memo[f"rows {name}"] = compute(self.run(name))
        found: list[MetricRow] = self._memo[f"rows {name}"]
        return found

    def call(self, file: str, function: str, *arguments: Any) -> Any:
        """Calls a function of the submission's code in a process of its own.

        Arguments and result may be what JSON holds, and numpy arrays; no number is infinite or NaN.

        Raises:
            NotRunError: there is no sandbox.
            LabError: it is missing, fails, or takes too long; the text says which.
        """
        return self._call(file, function, arguments, each=False)

    def call_each(self, file: str, function: str, inputs: Sequence[Any]) -> list[Any]:
        """Calls a function of one argument for each of ``inputs``, all in one process.

        Raises:
            NotRunError: there is no sandbox.
            LabError: as `call`.
        """
        found: list[Any] = self._call(file, function, inputs, each=True)
        return found

    def _call(self, file: str, function: str, arguments: Sequence[Any], each: bool) -> Any:
        path = self.path(file)
        if self.box is None:
            raise NotRunError(f"{file} was not run: there is no sandbox on this machine.")
        return call(self.box, self.root, path.name, function, arguments, self.call_s, each=each)


@dataclass(frozen=True, slots=True)
class Check:
    """One check; listed openly in the lab's README."""

    name: str
    """Short name, unique in the lab: ``floor-is-a-sum``."""
    what: str
    """Text of the check, one line."""
    function: Callable[[Submission], Verdict]
    """Function of the check; may raise `LabError`, which counts as not passed."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab."""

    name: str
    """Name, as ``5a``."""
    title: str
    files: tuple[str, ...]
    """Files to hand in, relative to the working folder: files, folders and globs."""
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A check and its verdict."""

    check: Check
    verdict: Verdict


def examine(lab: Lab, submission: Submission) -> list[Result]:
    """All checks of a lab, each for itself: one that fails ends none of the others."""
    return [Result(check, _verdict(check, submission)) for check in lab.checks]


def _verdict(check: Check, submission: Submission) -> Verdict:
    try:
        with within(LONGEST_S):
            return check.function(submission)
    except NotRunError as error:
        return Verdict(None, str(error))
    except LabError as error:
        return Verdict(False, str(error))
    except Exception as error:  # the submission has a form that the check did not foresee
        return Verdict(False, f"could not be read: {type(error).__name__}: {str(error)[:200]}.")
