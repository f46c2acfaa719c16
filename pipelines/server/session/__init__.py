"""One conversation, whatever answers in it: session(…), its events, its states, its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.server.session.conversation import Session as Session
    from pipelines.server.session.opened import session as session

__all__ = ["Session", "session"]

_WHERE = {"Session": "conversation", "session": "opened"}


def __getattr__(name: str) -> Any:
    """Loads `session` and `Session` when they are first asked for."""
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
