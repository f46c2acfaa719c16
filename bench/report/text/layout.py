"""Tables and prose as lines of a given width, in which no word, name or number is broken.

What does not fit is left out whole: the last columns of a table go first, and a line says which. A
word that is longer than the width stands on a line of its own, which is then too long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.report.text.escape import visible
from bench.stats.format import Block

NARROW = (("\x20", "\u02ff"), ("\u2010", "\u22ff"))
"""Ranges of characters that take one column each: Latin; dashes, arrows and mathematics."""
PROSE = 100
"""Width of prose, and of a table's heads, in columns, where there is no terminal."""
ANY = 1_000_000
"""Room where no one looks, in columns."""
RULE = 200
"""Longest rule below a table's heads, in columns."""
GAP = 2
"""Columns between two columns of a table."""


def columns(text: str) -> int:
    """Number of a terminal's columns that a text takes: letters of East Asia take two."""
    if all(any(first <= c <= last for first, last in NARROW) for c in text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def prose(text: str, width: int | None, indent: str = "") -> list[str]:
    """A paragraph as lines, broken between words.

    Args:
        text: The paragraph; spaces stay as they are, but for those at which a line ends.
        width: Width in columns; None for `PROSE`.
        indent: Text before every line but the first.
    """
    lead = text[: len(text) - len(text.lstrip())]
    lines, line = [], ""
    for space, word in re.findall(r"(\s*)(\S+)", text):
        longer = f"{line}{space}{word}"
        if columns(longer) > (width or PROSE) and line.strip():
            lines.append(line)
            line = f"{lead}{indent}{word}"
        else:
            line = longer
    return [*lines, line]


def table(block: Block, width: int | None = None) -> list[str]:
    """A table as lines: title, heads, a rule, a line a row; and which columns are left out.

    Args:
        block: The table.
        width: Width in columns; None where any width will do.
    """
    rows = [[visible(cell) for cell in row] for row in block.rows]
    kept = _kept(block, rows, width)
    heads = [visible(block.header[i]) for i in kept]
    widths = [_least(block.header[i], [row[i] for row in rows]) for i in kept]
    least = sum(widths) + GAP * (len(widths) - 1)
    heads_shown = _heads(heads, widths, width or (PROSE if least <= PROSE else ANY))
    texts = [_is_text(block, i) for i in kept]
    lines = [_line(of, widths, texts) for of in heads_shown]
    lines.append("─" * min(sum(widths) + GAP * (len(widths) - 1), width or RULE))
    lines += [_line([row[i] for i in kept], widths, texts) for row in rows]
    lines += prose(left_out(block, kept, width), width) if len(kept) < len(block.header) else []
    return lines


def left_out(block: Block, kept: Sequence[int], width: int | None) -> str:
    """The sentence that names the columns which do not fit."""
    names = [visible(name) for i, name in enumerate(block.header) if i not in kept]
    return (
        f"Left out at {width} columns: {', '.join(names)}; a wider terminal, or a pipe, has "
        f"{'it' if len(names) == 1 else 'them'}."
    )


def _kept(block: Block, rows: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """The columns that fit, by their places; the first one is always there.

    A column that is too wide makes room for a narrower one of less importance.
    """
    places = range(len(block.header))
    if width is None or not places:
        return list(places)
    leave = [i for name in block.leave for i in places if block.header[i] == name]
    wanted = [i for i in places if i not in leave] + leave[::-1]
    widths = [_least(block.header[i], [row[i] for row in rows]) for i in places]
    kept, used = [0], widths[0]
    for i in wanted:
        if i not in kept and used + GAP + widths[i] <= width:
            kept.append(i)
            used += GAP + widths[i]
    return sorted(kept)


def _least(head: str, cells: Sequence[str]) -> int:
    """The smallest width of a column in which nothing is broken."""
    words = visible(head).split()
    return max((columns(text) for text in (*words, *cells)), default=0)


def _heads(heads: Sequence[str], widths: list[int], room: int) -> list[list[str]]:
    """The heads as lines of cells; columns are widened for them as far as there is room.

    Args:
        heads: The heads.
        widths: Widths of the columns; those that are widened are changed in place.
        room: Width of all of them together with the gaps, at most.
    """
    spare = room - sum(widths) - GAP * (len(widths) - 1)
    for i in sorted(range(len(heads)), key=lambda i: columns(heads[i]) - widths[i]):
        wanted = columns(heads[i]) - widths[i]
        if 0 < wanted <= spare:
            widths[i], spare = widths[i] + wanted, spare - wanted
    wrapped = [_wrapped(head, width) for head, width in zip(heads, widths, strict=True)]
    tall = max(map(len, wrapped), default=0)
    return [
        [of[row - tall + len(of)] if row >= tall - len(of) else "" for of in wrapped]
        for row in range(tall)
    ]


def _wrapped(head: str, width: int) -> list[str]:
    """A head on as many lines as it takes."""
    return [head] if columns(head) <= width else prose(head, width)


def _is_text(block: Block, column: int) -> bool:
    return column == 0 or block.header[column] in block.left


def _line(cells: Sequence[str], widths: Sequence[int], texts: Sequence[bool]) -> str:
    """The cells of a line: text to the left, figures to the right."""
    parts = []
    for cell, width, is_text in zip(cells, widths, texts, strict=True):
        space = " " * (width - columns(cell))
        parts.append(f"{cell}{space}" if is_text else f"{space}{cell}")
    return (" " * GAP).join(parts).rstrip()
