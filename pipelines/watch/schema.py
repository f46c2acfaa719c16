"""Does a call match its published schema? The few keywords of JSON Schema that we use. Pure.

`do_physical_task.schema.json` is the contract with whoever takes the calls; a test compares this
check with a full implementation. An unknown keyword is refused, never skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "do_physical_task.schema.json"
TOOL = "do_physical_task"
_TYPES: dict[str, type] = {"object": dict, "string": str}
_SAYS_NOTHING = {"$schema", "title", "description", "then"}  # then: read with its if


@cache
def schema() -> Mapping[str, Any]:
    """The published schema."""
    table: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return table


def task_names() -> tuple[str, ...]:
    """Every task that can be requested."""
    return tuple(schema()["properties"]["task"]["enum"])


def wrong(value: object, rule: Mapping[str, Any] | None = None, at: str = TOOL) -> str | None:
    """The fault of a call's arguments, in a few words; None: none.

    Raises:
        ValueError: the schema uses a keyword that this check does not know.
    """
    rule = schema() if rule is None else rule
    for keyword, wanted in rule.items():
        if keyword in _SAYS_NOTHING:
            continue
        if keyword not in _CHECKS:
            raise ValueError(f"the keyword {keyword!r} of the schema is not known")
        if fault := _CHECKS[keyword](value, wanted, rule, at):
            return fault
    return None


def _type(value: Any, wanted: Any, _: Mapping[str, Any], at: str) -> str | None:
    return None if isinstance(value, _TYPES[wanted]) else f"{at} must be of type {wanted}"


def _enum(value: Any, wanted: Any, _: Mapping[str, Any], at: str) -> str | None:
    return None if value in wanted else f"{at} = {value!r} is none of: {', '.join(wanted)}"


def _min_length(value: Any, wanted: Any, _: Mapping[str, Any], at: str) -> str | None:
    short = isinstance(value, str) and len(value) < wanted
    return f"{at} is shorter than {wanted} characters" if short else None


def _max_length(value: Any, wanted: Any, _: Mapping[str, Any], at: str) -> str | None:
    long = isinstance(value, str) and len(value) > wanted
    return f"{at} is longer than {wanted} characters" if long else None


def _required(value: Any, wanted: Any, _: Mapping[str, Any], at: str) -> str | None:
    missing = [key for key in wanted if isinstance(value, dict) and key not in value]
    return f"{at} lacks {' and '.join(missing)}" if missing else None


def _properties(value: Any, wanted: Any, _: Mapping[str, Any], at: str) -> str | None:
    if not isinstance(value, dict):
        return None
    faults = (wrong(value[key], rule, key) for key, rule in wanted.items() if key in value)
    return next((fault for fault in faults if fault), None)


def _additional(value: Any, _wanted: Any, rule: Mapping[str, Any], at: str) -> str | None:
    if _wanted is not False or not isinstance(value, dict):
        return None
    more = sorted(set(value) - set(rule.get("properties", {})))
    return f"{at} has an unknown field: {', '.join(more)}" if more else None


def _all_of(value: Any, wanted: Any, _: Mapping[str, Any], at: str) -> str | None:
    faults = (wrong(value, rule, at) for rule in wanted)
    return next((fault for fault in faults if fault), None)


def _if(value: Any, wanted: Any, rule: Mapping[str, Any], at: str) -> str | None:
    return None if wrong(value, wanted, at) else wrong(value, rule.get("then", {}), at)


_Check = Callable[[Any, Any, Mapping[str, Any], str], str | None]
_CHECKS: dict[str, _Check] = {
    "type": _type,
    "enum": _enum,
    "minLength": _min_length,
    "maxLength": _max_length,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "allOf": _all_of,
    "if": _if,
}
"""Keyword → its check."""
