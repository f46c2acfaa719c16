"""A list as rows of data: one table, JSON, CSV or Markdown of the same rows.

A command says what its rows and columns are; how they are printed is written here once.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bench.report.text.console import Screen, console
from bench.report.text.csv_rows import csv_row
from bench.report.text.escape import visible
from bench.stats.format import DASH, Block

Row = Mapping[str, Any]
"""One item: key → value, of plain JSON types."""


class Format(StrEnum):
    """Formats of a list."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


FORMAT_HELP = "table (one line an item), json, csv or md."


def words(value: Any) -> str:
    """A value as a table's cell says it: a dash for none, a list by commas."""
    if value is None or value == "" or value == [] or value == ():
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(words(one) for one in value)
    return str(value)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table or of Markdown; JSON and CSV have every key of the rows."""

    head: str
    """Its head."""
    of: str | Callable[[Row], str]
    """The key of its values, or what makes a text of a row."""
    is_figure: bool = False
    """True for figures, which stand to the right."""

    def cell(self, row: Row) -> str:
        """The text of a row's cell."""
        return words(row.get(self.of)) if isinstance(self.of, str) else self.of(row)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    name: str
    """Its name in JSON, where a command prints several."""
    columns: tuple[Column, ...]
    """The columns of the table, the most important first."""
    rows: tuple[Row, ...]
    """The items, all with the same keys."""
    title: str = ""
    """Title of the table; empty: none."""
    leave: tuple[str, ...] = ()
    """Heads of the columns that are less important than the others, the least first."""

    def block(self) -> Block:
        """The list as a table of texts."""
        return Block(
            self.title,
            tuple(column.head for column in self.columns),
            tuple(tuple(column.cell(row) for column in self.columns) for row in self.rows),
            left=tuple(column.head for column in self.columns if not column.is_figure),
            leave=self.leave,
        )


def print_lists(
    form: Format, *lists: Listing, notes: Sequence[str] = (), screen: Screen | None = None
) -> None:
    """Prints lists in a format; sentences stand only below tables, Markdown's too.

    Args:
        form: The format.
        lists: The lists. CSV holds the last one alone, and stderr says so.
        notes: Sentences.
        screen: Where tables go; by default standard output.
    """
    if form is not Format.table:
        sys.stdout.write(WRITERS[form](lists))
        if form is Format.md:
            sys.stdout.writelines(f"\n{literal(note)}\n" for note in notes)
        if form is Format.csv and len(lists) > 1:
            others = " and ".join(one.name for one in lists[:-1])
            print(
                f"duplex-lab: csv holds {lists[-1].name} alone; --format json has {others} too.",
                file=sys.stderr,
            )
        return
    out = screen or console()
    for i, one in enumerate(lists):
        if i:
            out.line()
        out.table(one.block())
    for note in notes:
        out.say(note)


def as_json(lists: Sequence[Listing]) -> str:
    """One list as an array of objects; several as an object of arrays."""
    found: Any = {one.name: [dict(row) for row in one.rows] for one in lists}
    if len(lists) == 1:
        found = found[lists[0].name]
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(lists: Sequence[Listing]) -> str:
    """The last list; every key of its rows is a column, lists are joined by commas."""
    rows = lists[-1].rows
    keys = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(csv_row(keys))
    writer.writerows(csv_row(_cell(row.get(key)) for key in keys) for row in rows)
    return out.getvalue()


def _cell(value: Any) -> object:
    """A value as a cell of CSV: none is empty, what has parts is a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) or (isinstance(value, list | tuple) and _is_nested(value)):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _is_nested(values: Sequence[Any]) -> bool:
    return any(isinstance(one, dict | list | tuple) for one in values)


def as_markdown(lists: Sequence[Listing]) -> str:
    """A table for each list, under its title."""
    return "\n\n".join(markdown_of(one.block()) for one in lists) + "\n"


def markdown_of(block: Block) -> str:
    """A table as Markdown; its title in bold above it."""
    lines = [f"**{literal(block.title)}**", ""] if block.title else []
    lines.append("| " + " | ".join(literal(head) for head in block.header) + " |")
    lines.append("|" + "---|" * len(block.header))
    lines += ["| " + " | ".join(literal(cell) for cell in row) + " |" for row in block.rows]
    return "\n".join(lines)


def literal(text: str) -> str:
    """Text of a cell of Markdown: a bar in it ends no cell."""
    return visible(text).replace("|", "\\|")


WRITERS: Mapping[Format, Callable[[Sequence[Listing]], str]] = {
    Format.json: as_json,
    Format.csv: as_csv,
    Format.md: as_markdown,
}
"""Format → the text of lists in it."""
