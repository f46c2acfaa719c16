"""Presets with other options: a preset's file with some of its keys replaced."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pipelines.errors import LabError
from pipelines.guards.texts import fit_name, parse_toml, toml_string
from pipelines.spec import PipelineSpec, parse_spec

NONE = "none"
"""Name of no options: the preset as it is."""


def with_options(spec: PipelineSpec, name: str, options: Mapping[str, Any]) -> PipelineSpec:
    """The preset with some keys replaced, under a name of its own.

    Args:
        spec: The preset.
        name: Name of the options; ``none`` changes nothing.
        options: Top-level keys and tables; within a table each key is replaced by itself.

    Raises:
        LabError: a key is unknown to the preset's architecture, or has a wrong value.
    """
    if name == NONE:
        return spec
    return parse_spec(
        fit_name(f"{spec.name}-{name}"), to_toml(_over(parse_toml(spec.toml), options))
    )


def _over(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in new.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = _over(old, value)
        merged[key] = value
    return merged


def to_toml(table: Mapping[str, Any]) -> str:
    """A preset's file: plain keys first, then its tables."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, of in table.items():
        if isinstance(of, Mapping):
            rows = (f"{_key(name)} = {_value(value)}" for name, value in of.items())
            lines += ["", f"[{_key(key)}]", *rows]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else toml_string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(of)}" for key, of in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, datetime.date | datetime.time):
        raise LabError(f"{value.isoformat()}: no option of a preset is a date or a time.")
    return repr(value)
