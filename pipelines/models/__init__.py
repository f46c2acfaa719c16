"""Which model files there are and where they lie; nothing is downloaded in this room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.models.find import resolve as resolve

__all__ = ["resolve"]


def __getattr__(name: str) -> Any:
    if name == "resolve":
        from pipelines.models.find import resolve

        return resolve
    raise AttributeError(name)
