"""Runs a coroutine in virtual time: where everybody waits, the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from pipelines.clock import NS_PER_S

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits no real time for a timer."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0 if timeout is not None else 1.0)
        if not found and timeout:
            self.now_s += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time is virtual; nothing may run on threads."""

    def __init__(self) -> None:
        self.clockwork = _Selector()
        super().__init__(self.clockwork)

    def time(self) -> float:
        """Virtual time, s."""
        return self.clockwork.now_s


def clock() -> int:
    """The running loop's virtual time, ns: a `pipelines.clock.Clock`."""
    return round(asyncio.get_running_loop().time() * NS_PER_S)


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns; a wait of hours takes no time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
