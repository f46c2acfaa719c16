"""Values of the command line that need no conversion, taken without the library that converts.

Typer converts every value by pydantic, also a text that stays a text and a default: importing it
takes longer than most commands work. What is not plain (a number, a choice, a path that can't be
read) still goes to typer, with its checks and its sentences.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args, get_origin


class PlainValue:
    """Stands where typer keeps a parameter's converter, and makes the real one when it must."""

    def __init__(self, parameter: Any, annotation: Any) -> None:
        self._parameter = parameter
        self._annotation = annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """A value as the command's function takes it."""
        is_list = get_origin(self._annotation) is list
        if value is None:
            return () if is_list else None
        kind = get_args(self._annotation)[0] if is_list else self._annotation
        if not is_list and (found := _plain(value, kind)) is not None:
            return found
        if is_list and isinstance(value, list | tuple):
            of_list = [_plain(one, kind) for one in value]
            if None not in of_list:
                return of_list
        self._parameter._runtime_param = None  # typer's own, from here on
        return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _plain(value: Any, kind: Any) -> Any:
    """The value where it is one of its kind already, or a path that can be read; else None.

    What a person types is a text: a number or a choice that is one already is a default.
    """
    if isinstance(kind, type) and isinstance(value, kind) and kind is not Path:
        return value
    if kind is Path and isinstance(value, str | Path):
        path = Path(value)
        return path if os.access(path, os.R_OK) or not os.path.lexists(path) else None
    return None


def take_plainly(command: Any, ctx: Any) -> Any:
    """Gives each parameter of a command, and of its sub-commands, a `PlainValue`.

    A typer that keeps its converters elsewhere goes on as it does: then this changes nothing.
    """
    for parameter in (*command.params, command.get_help_option(ctx)):
        descriptor = getattr(parameter, "type_descriptor", None)
        if descriptor is not None and getattr(parameter, "_runtime_param", ...) is None:
            parameter._runtime_param = PlainValue(parameter, descriptor.annotation)
    for one in getattr(command, "commands", {}).values():
        take_plainly(one, ctx)
    return command
