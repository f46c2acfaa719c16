"""The last error that Pipecat logged: many of its faults are logged and never raised."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

KEPT = 5
"""Newest errors that are kept."""


@dataclass(slots=True)
class ErrorsLogged:
    """What was logged as an error while somebody listened."""

    texts: list[str] = field(default_factory=list)
    """Newest last, the first line of each."""

    @property
    def last(self) -> str:
        """The newest; empty where there is none."""
        return self.texts[-1] if self.texts else ""

    def take(self, message: Any) -> None:
        """Takes a loguru message."""
        lines = str(message.record["message"]).strip().splitlines()
        self.texts = [*self.texts, *lines[:1]][-KEPT:]


@contextlib.contextmanager
def errors_logged(is_ours: Callable[[], bool] = lambda: True) -> Iterator[ErrorsLogged]:
    """Listens until the block ends; a bot that removes every sink of the log ends it sooner.

    Args:
        is_ours: Whether the task that logs is one to listen to.
    """
    from loguru import logger

    heard = ErrorsLogged()
    sink = logger.add(
        heard.take,
        level="ERROR",
        format="{message}",
        filter=lambda record: is_ours(),
        catch=True,
    )
    try:
        yield heard
    finally:
        with contextlib.suppress(ValueError):  # the bot has removed it
            logger.remove(sink)
