"""`ServerConfig`: the options of one server, from a TOML file and the command line.

The command line goes before the file, and the file before the defaults. Paths in a file, those of
presets too, are relative to its folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipelines.errors import SpecError
from pipelines.guards.texts import parse_toml, toml_string
from pipelines.server.config.option import Option, about
from pipelines.server.config.tables import all_options, classes
from pipelines.spec import did_you_mean, read_options

T = TypeVar("T")
Values = Mapping[str, Mapping[str, Any]]
"""Table → key → value, of those that were given."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The options of one server."""

    tables: Mapping[str, Any]
    """Table → its options."""

    def of(self, kind: type[T]) -> T:
        """The options of a table, by its dataclass: ``config.of(LimitOptions).seats``."""
        found: T = next(one for one in self.tables.values() if type(one) is kind)
        return found


def read_config(path: Path | None, given: Values) -> ServerConfig:
    """The options of a server.

    Args:
        path: A TOML file; None: there is none.
        given: What the command line says.

    Raises:
        SpecError: the file can't be read, or an option is unknown or wrong; one sentence.
    """
    file = _file(path) if path is not None else {}
    where = f"{path} " if path is not None else ""
    return ServerConfig(
        {
            name: read_options(
                cls, {**file.get(name, {}), **given.get(name, {})}, f"{where}[{name}]"
            )
            for name, cls in classes().items()
        }
    )


def _file(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a file, their paths made of its folder."""
    try:
        table = parse_toml(path.read_bytes())
    except OSError as error:
        raise SpecError(f"--config {path}: can't be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: {error}.") from None
    for name, value in table.items():
        if name not in classes():
            what = f"table [{name}]" if isinstance(value, Mapping) else f"key {name!r}"
            known = ", ".join(f"[{one}]" for one in classes())
            raise SpecError(f"{path}: unknown {what}{_near(name)}; tables: {known}.")
        if not isinstance(value, Mapping):
            raise SpecError(f"{path}: [{name}] must be a table, not {value!r}.")
    return {
        name: {key: _placed(name, key, value, path) for key, value in of.items()}
        for name, of in table.items()
    }


def _near(name: str) -> str:
    """The nearest table, or the table of the key that is meant."""
    for one in all_options():
        if name in (one.key, one.parameter):
            return f" (did you mean {one.key!r} of [{one.table}]?)"
    return did_you_mean(name, classes())


def _placed(table: str, key: str, value: Any, path: Path) -> Any:
    """A value of the file; a path in it is one from here.

    Raises:
        SpecError: a path is no text.
    """
    row = _row(table, key)
    if row is not None and row.kind is Path:
        if not isinstance(value, str):
            raise SpecError(f"{path} [{table}]: {key} = {value!r} must be a text, a path.")
        return path.parent / value if value else None
    if row is not None and not row.is_flag and isinstance(value, list):
        return [
            str(path.parent / one) if isinstance(one, str) and one.endswith(".toml") else one
            for one in value
        ]
    return value


def _row(table: str, key: str) -> Option | None:
    rows = (one for one in all_options() if (one.table, one.key) == (table, key))
    return next(rows, None)


def to_toml(config: ServerConfig) -> str:
    """The options as a file that `read_config` takes, each behind its sentence."""
    lines: list[str] = []
    for name, values in config.tables.items():
        head = f"[{name}]  # {about(type(values))}."
        lines += ["", head] if lines else [head]
        for one in all_options():
            if one.table == name:
                lines += _lines(one, getattr(values, one.key))
    return "\n".join(lines) + "\n"


def _lines(row: Option, value: Any) -> list[str]:
    """An option's sentence and its value; one without a value is a comment."""
    bounds = f" ({row.bounds})" if row.bounds else ""
    return [
        f"# {row.help.text}{bounds}",
        f"# {row.key} =" if value is None else f"{row.key} = {toml_value(value)}",
    ]


def toml_value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, Path):
        return toml_string(str(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return toml_string(value) if isinstance(value, str) else repr(value)
