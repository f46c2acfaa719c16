"""Rows of a CSV that a spreadsheet opens as what they are: no text becomes a formula."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.guards.texts import whole

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a formula begins with; the last four are the full-width forms of the first four."""


def csv_row(values: Iterable[object]) -> list[object]:
    """The values of a row; a text that would be taken for a formula has ``'`` before it."""
    return [_cell(value) for value in values]


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = whole(value)
    return f"'{text}" if text.lstrip(" \xa0").startswith(FORMULA) else text
