"""Which values a number of a preset may have: said beside its field, checked before anything loads.

``rate_hz: Annotated[int, Range(8000, 48000, "Hz")]``. A number without a range need only be finite.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the largest value, both allowed."""

    low: float
    """The least."""
    high: float
    """The largest."""
    unit: str = ""
    """``Hz``, ``ms``, …; empty: a plain number."""

    def holds(self, value: float) -> bool:
        """Whether a value lies inside; NaN lies nowhere."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """``from 8000 to 48000 Hz``."""
        return f"from {self.low:.15g} to {self.high:.15g} {self.unit}".strip()


RateHz = Annotated[int, Range(8_000, 48_000, "Hz")]
"""A sampling rate of speech."""
Share = Annotated[float, Range(0, 1)]
"""A part of a whole."""
DelayMs = Annotated[float, Range(0, 60_000, "ms")]
"""A delay within one turn."""
WholeMs = Annotated[int, Range(0, 10_000, "ms")]
"""A length of audio in whole ms."""
WaitS = Annotated[float, Range(0, 600, "s")]
"""A wait that a run can bear, none included."""
TimeoutS = Annotated[float, Range(0.1, 600, "s")]
"""After which something counts as hung."""
Seed = Annotated[int, Range(0, 2**32 - 1)]
"""Of random numbers."""
Threads = Annotated[int, Range(1, 256)]
"""Threads of a computation."""
Tokens = Annotated[int, Range(1, 131_072)]
"""A number of tokens, at least one."""
TokensOrNone = Annotated[int, Range(0, 1_048_576)]
"""A number of tokens; 0 stands for the model's own."""
Temperature = Annotated[float, Range(0, 5)]
"""Of sampling; 0 takes the likeliest."""
WordsPerMinute = Annotated[int, Range(80, 450, "words per minute")]
"""What espeak-ng can speak."""


def outside(value: object, kind: Any) -> Iterator[tuple[float, Range | None]]:
    """The numbers within a value that its type's range does not hold; None: not a finite one."""
    ranges = [m for m in getattr(kind, "__metadata__", ()) if isinstance(m, Range)]
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if isinstance(value, bool):
        return
    if isinstance(value, (int, float)):
        inner = [r for k in typing.get_args(kind) for r in _ranges(k)]
        for allowed in [*ranges, *inner]:
            if not allowed.holds(value):
                yield value, allowed
                return
        if isinstance(value, float) and not math.isfinite(value):
            yield value, None
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from outside(one, Any)
    elif isinstance(value, (list, tuple)):
        kinds = typing.get_args(kind)
        for one in value:
            yield from outside(one, kinds[0] if kinds else Any)


def _ranges(kind: Any) -> list[Range]:
    return [m for m in getattr(kind, "__metadata__", ()) if isinstance(m, Range)]
