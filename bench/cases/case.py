"""The cases: `cases.toml`, checked. Each says what the user says or writes, and what is right."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bench.store.expectation import Expectation
from pipelines.errors import LabError
from pipelines.guards.texts import fit_name, parse_toml
from pipelines.spec import did_you_mean

CASES = Path(__file__).parent / "cases.toml"

Kind = Literal["voice", "chat"]
Feature = Literal["memory", "tools", "fillers"]
FEATURES: tuple[Feature, ...] = get_args(Feature)


class CaseError(LabError):
    """A case is not right, or there is none of that name; one sentence."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the user says or writes."""

    say: str = ""
    """Name of a shipped fixture, all of whose turns are spoken."""
    write: str = ""
    """A text that is written."""
    expect: Expectation | None = None
    """What a right answer names; None: what the fixture says, of a text nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation."""

    name: str
    feature: Feature
    """It is played with this and without."""
    steps: tuple[Step, ...] = field(default=())

    @property
    def kind(self) -> Kind:
        """``chat`` if all of it is written."""
        return "chat" if all(step.write for step in self.steps) else "voice"


def read_cases(path: Path = CASES) -> list[Case]:
    """The cases of a file, in its order.

    Raises:
        CaseError: one is not right; the sentence names it.
    """
    try:
        table = parse_toml(path.read_bytes())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f"{path}: can't be read: {error}.") from None
    rows = table.get("case")
    if not isinstance(rows, list) or not rows or len(table) > 1:
        raise CaseError(f"{path}: rows [[case]] are needed, and nothing else.")
    cases = [_case(row, f"{path} [[case]] {number}") for number, row in enumerate(rows, 1)]
    names = [case.name for case in cases]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise CaseError(f"{path}: two cases are called {twice}.")
    return cases


def chosen(cases: Sequence[Case], selector: str) -> list[Case]:
    """The cases that a selector names, in their order.

    Args:
        cases: All of them.
        selector: Names, patterns (``tea_*``), kinds or features, by commas; empty: all.

    Raises:
        CaseError: a part of it names none.
    """
    parts = [part.strip() for part in selector.split(",") if part.strip()]
    wanted: set[str] = set()
    for part in parts:
        found = {
            case.name
            for case in cases
            if part in (case.kind, case.feature) or fnmatch.fnmatchcase(case.name, part)
        }
        if not found:
            words = ["voice", "chat", *FEATURES, *(case.name for case in cases)]
            raise CaseError(
                f"--cases {part}: there is no such case{did_you_mean(part, words)}; "
                "--list names them all."
            )
        wanted |= found
    return [case for case in cases if not parts or case.name in wanted]


def _case(row: object, where: str) -> Case:
    if not isinstance(row, Mapping) or set(row) != {"name", "feature", "turns"}:
        raise CaseError(f"{where}: name, feature and turns are needed, and nothing else.")
    name, feature, turns = row["name"], row["feature"], row["turns"]
    if not isinstance(name, str) or not name or fit_name(name) != name:
        raise CaseError(f"{where}: name = {name!r} is no name: letters, digits, _ and -.")
    if feature not in FEATURES:
        known = ", ".join(FEATURES)
        near = did_you_mean(str(feature), FEATURES)
        raise CaseError(f"{where}: feature = {feature!r}{near}; known: {known}.")
    if not isinstance(turns, list) or not turns:
        raise CaseError(f"{where} ({name}): turns: a list of turns is needed.")
    return Case(name, feature, tuple(_step(turn, f"{where} ({name})") for turn in turns))


def _step(turn: Any, where: str) -> Step:
    given = dict(turn) if isinstance(turn, Mapping) else {}
    say, write = given.pop("say", ""), given.pop("write", "")
    if not isinstance(say, str) or not isinstance(write, str) or bool(say) == bool(write):
        raise CaseError(f"{where}: a turn has say = 'a fixture' or write = 'a text'.")
    try:
        expect = Expectation.from_table(given) if given else None
    except (ValueError, TypeError) as error:
        raise CaseError(f"{where}: {error}.") from None
    return Step(say, write, expect)
