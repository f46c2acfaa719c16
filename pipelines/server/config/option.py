"""One option of the server: a key of the TOML file, a flag of `duplex-lab serve`, a line of help.

A table of options is a frozen dataclass; the first line of its docstring says what the table is
for. A field's type is bool, int, float, str, ``Literal``, ``Path | None``, ``X | None`` or
``tuple[X, ...]``, and beside it stand its help and, of a number, its bounds, as in a preset::

    days: Annotated[int, Range(1, 3_650, "days"), Help("Forget what is older.")] = 90
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any

from pipelines.guards.ranges import Range


@dataclass(frozen=True, slots=True)
class Help:
    """Stands beside the type of an option."""

    text: str
    """One sentence on what it does, without the default."""
    flag: str = ""
    """``--name`` on the command line; empty: ``--<table>-<key>``; a word without dashes is an
    argument."""
    metavar: str = ""
    """Name of its value in the help; empty: its type."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option, read off its dataclass."""

    table: str
    """Table of the TOML file."""
    key: str
    """Its key there."""
    kind: Any
    """bool, int, float, str, Path or a ``Literal``; of a list, its items'."""
    is_list: bool
    """True if it takes several values."""
    default: Any
    """None: it has none."""
    help: Help
    allowed: Range | None
    """The numbers that it may be; None: any."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words that it may be; empty: any text, or it is none."""
        is_literal = typing.get_origin(self.kind) is typing.Literal
        return typing.get_args(self.kind) if is_literal else ()

    @property
    def bounds(self) -> str:
        """What it may be, in a few words; empty: anything of its type."""
        return str(self.allowed) if self.allowed else ", ".join(self.words)

    @property
    def flag(self) -> str:
        """``--name`` on the command line, or the name of the argument."""
        return self.help.flag or f"--{self.table}-{self.key}".replace("_", "-")

    @property
    def is_flag(self) -> bool:
        """Whether it is given by ``--name``; else it is an argument."""
        return self.flag.startswith("--")

    @property
    def parameter(self) -> str:
        """Its name among the parameters of a command."""
        return self.flag.removeprefix("--").replace("-", "_") if self.is_flag else self.key


def about(cls: Any) -> str:
    """What a table is for: the first line of its docstring, without the full stop."""
    return str(cls.__doc__ or "").strip().splitlines()[0].rstrip(".")


def options_of(table: str, cls: Any) -> tuple[Option, ...]:
    """The options of a table, in the order of its fields.

    Args:
        table: Its name in the TOML file.
        cls: Its dataclass.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_option(table, field, hints[field.name]) for field in dataclasses.fields(cls))


def _option(table: str, field: Any, hint: Any) -> Option:
    notes = _notes(hint)
    kind, is_list = _kind(hint)
    return Option(
        table=table,
        key=field.name,
        kind=kind,
        is_list=is_list,
        default=field.default,
        help=next(note for note in notes if isinstance(note, Help)),
        allowed=next((note for note in notes if isinstance(note, Range)), None),
    )


def _notes(hint: Any) -> tuple[Any, ...]:
    """What stands beside a type, and beside those that it is made of."""
    own: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    parts = typing.get_args(hint)
    inner = parts[:1] if typing.get_origin(hint) is Annotated else parts
    return own + tuple(note for one in inner for note in _notes(one))


def _kind(hint: Any) -> tuple[Any, bool]:
    """The type of a value, and whether there are several."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _kind(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        (inner,) = (one for one in typing.get_args(hint) if one is not type(None))
        return _kind(inner)
    if origin is tuple:
        return _kind(typing.get_args(hint)[0])[0], True
    return hint, False
