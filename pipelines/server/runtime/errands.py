"""`Errands`: work beside a conversation; none of it can end it, and none outlives it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any


class Errands:
    """Tasks that end with their conversation.

    Args:
        failed: Takes a sentence on one that failed.
    """

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Begins one."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def aclose(self) -> None:
        """Ends all but the one that calls."""
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def finish(self) -> None:
        """Waits until all are done."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(f"work beside the conversation failed: {type(error).__name__}: {error}")
