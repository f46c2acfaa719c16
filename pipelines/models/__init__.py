"""Provisioning: which model files there are, where they lie, how they are fetched and checked."""

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
