"""A preset as a TOML file that runs as it stands: every option, those at their default too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.spec import PipelineSpec

NOT_IN_THE_FILE = frozenset({"name", "audio", "device", "stages", "toml"})
"""Fields of a preset that its file's top does not hold."""


def preset_text(spec: PipelineSpec) -> str:
    """The whole file; an option that is not set stands in a comment, for TOML has no null."""
    top = [field.name for field in fields(spec) if field.name not in NOT_IN_THE_FILE]
    lines = [_line(name, getattr(spec, name)) for name in top]
    device = {"device": spec.device, "device.speaker": spec.device.speaker}
    for name, options in {"audio": spec.audio, **device, **spec.stages}.items():
        lines += ["", f"[{name}]", *_options(options)]
    return "\n".join(lines) + "\n"


def _options(options: Any) -> Iterator[str]:
    for field in fields(options):
        value = getattr(options, field.name)
        if not is_dataclass(value):  # that is a table of its own
            yield _line(field.name, value)


def _line(name: str, value: Any) -> str:
    return f"# {name} is not set" if value is None else f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_value(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)
