"""What must not be kept: rows of patterns, tried on every utterance before it is handed over.

Recognisers write numbers as words, so rows of numbers see spoken digits ("four, double one") as
digits; what they match is masked in the text as it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pipelines.errors import SpecError
from pipelines.guards.texts import parse_toml
from pipelines.server.memory.disk.record import LONGEST
from pipelines.spec import read_options

OURS = Path(__file__).parent / "unfit.toml"
_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_DIGITS = {word: str(n) for n, word in enumerate([*_UNITS, *_TEENS])}
_DIGITS |= {word: str(n) for n, word in enumerate(_TENS, 2)} | {"oh": "0", "nought": "0"}
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_SPOKEN = re.compile(
    rf"\b(?:(?:(?P<times>{'|'.join(_TIMES)})[ -])?(?P<unit>{'|'.join([*_UNITS, 'oh', 'nought'])})"
    rf"|(?P<tens>{'|'.join(_TENS)})(?:[ -](?P<more>{'|'.join(_UNITS[1:])}))?"
    rf"|(?P<teen>{'|'.join(_TEENS)}))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Unfit:
    """One row."""

    name: str
    """Said in its place: ``[card number]``."""
    pattern: str
    """A regular expression; case does not count."""
    action: Literal["mask", "drop"] = "mask"
    """mask: the name stands in its place. drop: nothing of the utterance is kept."""
    check: Literal["", "luhn"] = ""
    """What a match must satisfy beside."""
    digits: bool = False
    """True if spoken digits count as digits."""
    least_digits: int = 0
    """Digits that a match must have."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern of {self.name!r}: {error}") from None


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows, tried in their order."""

    rows: Sequence[Unfit]

    def fit(self, text: str) -> str | None:
        """The text as it may be kept; None: nothing of it may.

        A text longer than `LONGEST` characters is cut first.
        """
        text = " ".join(text[:LONGEST].split())
        for row in self.rows:
            spans = _spans(row, text)
            if spans and row.action == "drop":
                return None
            for start, end in reversed(spans):
                text = f"{text[:start]}[{row.name}]{text[end:]}"
        return text or None


def load_filter(path: Path | None = None) -> Filter:
    """Our rows, with those of a file of the server's owner before them.

    Raises:
        SpecError: the file can't be read, or a row is not right.
    """
    own = _rows(path) if path is not None else []
    named = {row.name for row in own}
    return Filter([*own, *(row for row in _rows(OURS) if row.name not in named)])


def _rows(path: Path) -> list[Unfit]:
    try:
        table = parse_toml(path.read_bytes())
    except OSError as error:
        raise SpecError(f"{path}: can't be read: {error.strerror}.") from None
    except ValueError as error:
        raise SpecError(f"{path}: {error}.") from None
    rows = table.get("unfit")
    if not isinstance(rows, list) or set(table) != {"unfit"}:
        raise SpecError(f"{path}: rows [[unfit]] are needed, and nothing else.")
    return [read_options(Unfit, row, f"{path} [[unfit]] {i}") for i, row in enumerate(rows, 1)]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _spans(row: Unfit, text: str) -> list[tuple[int, int]]:
    """Where a row matches, as (start, end) in the text."""
    seen, places = _with_digits(text) if row.digits else (text, range(len(text) + 1))
    return [
        (places[m.start()], places[m.end()])
        for m in _compiled(row.pattern).finditer(seen)
        if _holds(row, m.group())
    ]


def _holds(row: Unfit, found: str) -> bool:
    digits = [int(c) for c in found if c.isdigit()]
    if len(digits) < row.least_digits:
        return False
    return row.check != "luhn" or luhn(digits)


def luhn(digits: Sequence[int]) -> bool:
    """Whether the last digit is the checksum of those before it, as on payment cards."""
    doubled = [2 * d - 9 * (d > 4) if k % 2 else d for k, d in enumerate(reversed(digits))]
    return bool(digits) and sum(doubled) % 10 == 0


def _with_digits(text: str) -> tuple[str, Sequence[int]]:
    """The text with spoken digits as digits, and for each place in it the place in the text."""
    seen: list[str] = []
    places: list[int] = []
    at = 0
    for m in _SPOKEN.finditer(text):
        seen.append(text[at : m.start()])
        places += range(at, m.start())
        digits = _digits(m)
        seen.append(digits)
        places += [m.start()] * len(digits)
        at = m.end()
    seen.append(text[at:])
    places += range(at, len(text) + 1)
    return "".join(seen), places


def _digits(spoken: re.Match[str]) -> str:
    """The digits of a match of `_SPOKEN`."""
    part = {key: word.lower() for key, word in spoken.groupdict(default="").items()}
    if part["unit"]:
        return _DIGITS[part["unit"]] * _TIMES.get(part["times"], 1)
    if part["tens"]:
        return _DIGITS[part["tens"]] + _DIGITS.get(part["more"], "0")
    return _DIGITS[part["teen"]]
