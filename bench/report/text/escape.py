"""Text written by others, made safe for one line of a terminal."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""Writes unprintable characters as Python does: a line's end as ``\n``, ESC as ``\x1b``.

    So a model's answer can neither break the layout nor control the terminal.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
