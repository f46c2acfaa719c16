"""Parts of a table: text only, for the terminal and for Markdown alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.stats.quantiles import Estimate

DASH = "–"
"""Text of a missing figure."""


@dataclass(frozen=True, slots=True)
class Block:
    """One table: text only."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...] = ("weights", "model", "cause")
    """Heads of the columns of text, beside the first one; those of figures stand to the right."""
    leave: tuple[str, ...] = ()
    """Heads of the least important columns, the least first; of the others the last are less
    important. Where there is no room, the most important that fit are shown."""


def number(value: float | None, form: str = ".0f") -> str:
    """A figure with a true minus sign."""
    return DASH if value is None else format(value, form).replace("-", "−")


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 05 s`` or ``12 s``."""
    s = round(seconds)
    if s >= 3600:
        return f"{s // 3600} h {s % 3600 // 60:02d} min"
    return f"{s // 60} min {s % 60:02d} s" if s >= 60 else f"{s} s"


def percent(value: float | None) -> str:
    """A share between 0 and 1 as percent."""
    return DASH if value is None else f"{100 * value:.0f} %"


def with_interval(estimate: Estimate, scale: float = 1.0) -> str:
    """An estimate with its interval, or with the n that is too small for one."""
    if estimate.value is None:
        return DASH
    text = number(estimate.value * scale)
    if estimate.low is None or estimate.high is None:
        return f"{text} (n {estimate.n})"
    return f"{text} [{number(estimate.low * scale)} – {number(estimate.high * scale)}]"
