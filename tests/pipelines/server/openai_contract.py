"""OpenAI's own types as the contract of what the server sends."""

from __future__ import annotations

import typing
from typing import Any

from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import BaseModel

_UNION: Any = typing.get_args(RealtimeServerEvent)[0]
CLASSES: dict[str, type[BaseModel]] = {
    typing.get_args(cls.model_fields["type"].annotation)[0]: cls for cls in typing.get_args(_UNION)
}
"""Type of an event → the openai package's class of it."""
BEYOND = {"session": {"id", "object"}}
"""Fields that OpenAI's server sends, and its types leave out."""


def check(event: dict[str, Any]) -> None:
    """Asserts that an event is of OpenAI's types, with no field that they do not have."""
    read = CLASSES[event["type"]].model_validate(event)
    assert not list(unknown(read)), event


def unknown(value: object, key: str = "") -> typing.Iterator[str]:
    """Fields that a class does not have, at any depth."""
    if isinstance(value, BaseModel):
        yield from set(value.model_extra or {}) - BEYOND.get(key, set())
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), name)
    elif isinstance(value, list):
        for one in value:
            yield from unknown(one)
