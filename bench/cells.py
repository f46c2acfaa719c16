"""What a table is made of: text only, for the terminal and for Markdown alike."""

from __future__ import annotations

from dataclasses import dataclass

DASH = "–"
"""A figure that is not there."""


@dataclass(frozen=True, slots=True)
class Block:
    """One table: text only."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def number(value: float | None, form: str = ".0f") -> str:
    """A figure, with a true minus."""
    return DASH if value is None else format(value, form).replace("-", "−")


def percent(value: float | None) -> str:
    """A share between 0 and 1 as percent."""
    return DASH if value is None else f"{100 * value:.0f} %"
