"""Reads TOML that a user wrote: whatever is wrong with it is one error with one sentence."""

from __future__ import annotations

import tomllib
from typing import Any

DEEPEST = 20
"""The deepest table or list that any of our files needs, and far more."""


class TomlError(ValueError):
    """A text is no TOML that we read; the text says why, without a full stop."""


def read_toml(text: str | bytes) -> dict[str, Any]:
    """Reads a TOML text.

    Args:
        text: The text, or a file's bytes; a byte order mark is left out.

    Raises:
        TomlError: it is not UTF-8, no TOML, or nested too deeply.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise TomlError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise TomlError("nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, and a number of thousands of digits
        raise TomlError(str(error)) from None
    _check_depth(table)
    return table


def _check_depth(table: dict[str, Any]) -> None:
    """Refuses what dotted keys nest deeper than Python can print."""
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value)
            if isinstance(item, dict | list)
        ]
    if level:
        raise TomlError("nested too deeply")
