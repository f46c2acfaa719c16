"""From phones to moving lips: visemes, and the pull that each has on its neighbours. Pure.

A viseme is a mouth shape that several phones share. Lips do not jump from one to the next: at each
moment the shape is a weighted mean of all phones near, each with its full weight within its own
time and less and less outside of it (dominance functions, after Cohen and Massaro 1993).
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).parent / "visemes.toml"
REACH_MS = 20.0
"""Time before a phone begins, and after it ends, at which its weight has fallen to 1/e."""
FAR_MS = 6 * REACH_MS
"""Distance in time beyond which a phone has no weight."""
UNKNOWN = "eh"
"""Shape of a phone that no row names: a mouth half open."""
_MARKS = str.maketrans("", "", "ˈˌ.͡ ‖|_:;")


@dataclass(frozen=True, slots=True)
class Shape:
    """A mouth shape."""

    open: float
    """Jaw, 0–1."""
    wide: float
    """Corners apart, 0–1."""
    round: float
    """Lips rounded, 0–1."""
    weight: float = 1.0
    """Weight against its neighbours."""


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone in time: the common form of engines' phoneme events and alignments."""

    name: str
    """IPA; empty: a pause."""
    start_ms: float
    end_ms: float


@functools.cache
def shapes() -> dict[str, Shape]:
    """Viseme → its shape."""
    return {name: shape for name, (shape, _) in _read().items()}


@functools.cache
def _by_phone() -> dict[str, str]:
    return {phone: name for name, (_, phones) in _read().items() for phone in phones}


@functools.cache
def _read() -> dict[str, tuple[Shape, tuple[str, ...]]]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {
        name: (Shape(r["open"], r["wide"], r["round"], r["weight"]), tuple(r["phones"]))
        for name, r in rows.items()
    }


def visemes_of(phone: str) -> tuple[str, ...]:
    """The visemes of a phone, one after the other: a diphthong has two."""
    rest, found = phone.translate(_MARKS), []
    if not rest:
        return ("rest",)
    table = _by_phone()
    while rest:
        length = next((n for n in range(len(rest), 0, -1) if rest[:n] in table), 0)
        if length:
            found.append(table[rest[:length]])
        rest = rest[length or 1 :]
    kept = [v for i, v in enumerate(found) if i == 0 or v != found[i - 1]]
    return tuple(kept) or (UNKNOWN,)


def spread(phones: Iterable[Phone]) -> list[tuple[Shape, float, float]]:
    """(shape, start_ms, end_ms) of each viseme; those of a diphthong share its time evenly."""
    found = []
    for phone in phones:
        names = visemes_of(phone.name)
        part_ms = (phone.end_ms - phone.start_ms) / len(names)
        for i, name in enumerate(names):
            start_ms = phone.start_ms + i * part_ms
            found.append((shapes()[name], start_ms, start_ms + part_ms))
    return found


def blend(track: Sequence[tuple[Shape, float, float]], t_ms: float) -> Shape:
    """The lips at ``t_ms``; at rest where no phone is near."""
    total = open_ = wide = round_ = 0.0
    for shape, start_ms, end_ms in track:
        outside_ms = max(start_ms - t_ms, t_ms - end_ms, 0.0)
        if outside_ms > FAR_MS:
            continue
        pull = shape.weight * math.exp(-outside_ms / REACH_MS)
        total += pull
        open_ += pull * shape.open
        wide += pull * shape.wide
        round_ += pull * shape.round
    if total == 0.0:
        return shapes()["rest"]
    return Shape(open_ / total, wide / total, round_ / total, total)
