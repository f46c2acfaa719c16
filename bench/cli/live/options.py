"""`takes_options`: a command with a flag for each row of the server's options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipelines.server.config.option import Option, about
from pipelines.server.config.tables import all_options, classes

Command = Callable[..., None]


def takes_options(function: Command) -> Command:
    """Adds a parameter for each option of `all_options`; what was given comes as keywords.

    A parameter that nobody gave is None (of a list, empty): the file or the default decides then.
    """
    signature = inspect.signature(function, eval_str=True)
    own = [
        one.replace(kind=one.KEYWORD_ONLY)
        for one in signature.parameters.values()
        if one.kind is not one.VAR_KEYWORD
    ]
    rows = all_options()
    arguments = [_parameter(row) for row in rows if not row.is_flag]
    flags = [_parameter(row) for row in rows if row.is_flag]
    parameters = [*arguments, *own, *flags]

    def command(**given: Any) -> None:
        function(**given)

    command.__doc__ = function.__doc__
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    vars(command)["__signature__"] = inspect.Signature(parameters)
    return command


def given_values(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Table → key → value, of the parameters that somebody gave.

    Args:
        given: Parameter → value, as a command of `takes_options` gets them.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in all_options():
        value = given.get(row.parameter)
        if value is None or (row.is_list and not value):
            continue
        found.setdefault(row.table, {})[row.key] = tuple(value) if row.is_list else value
    return found


def _parameter(row: Option) -> inspect.Parameter:
    """An option as a parameter that typer reads."""
    kind = row.kind if isinstance(row.kind, type) else str  # a Literal's words are checked later
    annotation: Any = list[kind] if row.is_list else kind  # type: ignore[valid-type]
    more: dict[str, Any] = {"help": row.help.text, "show_default": _shown(row)}
    if row.is_flag:
        more["rich_help_panel"] = f"[{row.table}] {about(classes()[row.table])}"
    if row.allowed is not None and kind in (int, float):
        more |= {"min": kind(row.allowed.low), "max": kind(row.allowed.high)}
    if row.is_flag:
        name = f"{row.flag}/--no-{row.flag[2:]}" if kind is bool else row.flag
        info: Any = typer.Option(
            name, metavar=row.help.metavar or "|".join(row.words) or None, **more
        )
    else:
        info = typer.Argument(metavar=row.flag, **more)
    return inspect.Parameter(
        row.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[annotation | None, info],
    )


def _shown(row: Option) -> str | bool:
    """The default as the help shows it; False: nothing."""
    if row.default is None or row.default is False or row.default in ("", ()):
        return False
    return ", ".join(row.default) if row.is_list else str(row.default)
