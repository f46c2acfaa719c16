"""The terminal: text as it is, and tables; bold and dim only where a person sees them.

No text is markup here: a square bracket is a square bracket.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import IO, Literal

from bench.report.text.escape import visible
from bench.report.text.layout import prose, table
from bench.stats.format import Block

Style = Literal["", "bold", "dim"]
_CODES: dict[Style, str] = {"bold": "\x1b[1m", "dim": "\x1b[2m"}
_END = "\x1b[0m"


class Screen:
    """Prints onto one stream."""

    def __init__(
        self, file: IO[str] | None = None, width: int | None = None, styled: bool | None = None
    ) -> None:
        """Looks at the stream.

        Args:
            file: The stream; by default standard output.
            width: Width in columns; by default that of the terminal or in COLUMNS, else none.
            styled: True to print bold and dim; by default on a terminal without NO_COLOR.
        """
        self._file = file or sys.stdout
        is_terminal = self._file.isatty()
        self.width = width if width is not None else _width(is_terminal)
        """Width in columns; None where no one looks: then no column is left out."""
        by_default = is_terminal and not os.environ.get("NO_COLOR")
        self._is_styled = by_default if styled is None else styled

    def line(self, text: str = "", style: Style = "") -> None:
        """Prints one line as it is, however long."""
        whole = visible(text)
        code = _CODES.get(style, "") if self._is_styled and whole else ""
        self._file.write(f"{code}{whole}{_END if code else ''}\n")

    def say(self, text: str, style: Style = "", indent: str = "") -> None:
        """Prints one paragraph, its lines broken between words.

        Args:
            text: The paragraph.
            style: Its style.
            indent: Text before every line but the first.
        """
        for one in prose(visible(text), self.width, indent):
            self.line(one, style)

    def table(self, block: Block) -> None:
        """Prints a table under its title."""
        if block.title:
            self.say(block.title, "bold")
        for one in table(block, self.width):
            self.line(one)


def _width(is_terminal: bool) -> int | None:
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    return shutil.get_terminal_size().columns if is_terminal else None


def console() -> Screen:
    """Standard output, looked at anew."""
    return Screen()
