"""Virtual time: a loop whose waits move a clock, and every clock of the process stopped.

So what waits takes no real time, and what works takes no virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import selectors
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.clock import NS_PER_S, FakeClock
from pipelines.marks import stamp

EPOCH_S = 1_700_000_000
"""What the clock on the wall shows beyond the monotonic one, s."""
MOST_STEPS = 2_000_000
"""Steps of the loop after which the work in it is taken to spin."""


class _Selector(selectors.DefaultSelector):
    """Waits by moving the clock."""

    clock: FakeClock
    steps = 0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        self.steps += 1
        assert self.steps < MOST_STEPS, "the bot spins"
        if not ready and timeout:
            self.clock.advance(-int(-timeout * NS_PER_S // 1))
        assert ready or timeout is not None, "the bot waits for what will never come"
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time is a clock's; work on other threads is done when it is asked for."""

    def __init__(self, clock: FakeClock) -> None:
        selector = _Selector()
        selector.clock = self._virtual = clock
        super().__init__(selector)

    def time(self) -> float:
        """Seconds of the clock."""
        return self._virtual() / NS_PER_S

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Does it here; the time that it takes passes beside the loop, as on another thread."""
        future: asyncio.Future[Any] = self.create_future()
        began_ns = self._virtual()
        try:
            settle = functools.partial(future.set_result, func(*args))
        except Exception as error:
            settle = functools.partial(future.set_exception, error)
        took_ns, self._virtual.t_ns = self._virtual() - began_ns, began_ns
        if took_ns:
            self.call_later(took_ns / NS_PER_S, lambda: future.done() or settle())
        else:
            settle()
        return future


@contextlib.contextmanager
def virtual_time(clock: FakeClock) -> Iterator[VirtualLoop]:
    """A loop; until its end every clock of this process shows ``clock``, and sleep moves it."""
    loop = VirtualLoop(clock)
    with pytest.MonkeyPatch.context() as patch:
        virtual: dict[str, Any] = {
            "monotonic_ns": clock,
            "monotonic": lambda: clock() / NS_PER_S,
            "time": lambda: EPOCH_S + clock() / NS_PER_S,
            "sleep": lambda seconds: clock.advance(int(seconds * NS_PER_S)),
        }
        real = {name: getattr(time, name) for name in virtual}
        _replace(real, virtual)
        patch.setitem(stamp.__kwdefaults__, "clock", clock)
        try:
            yield loop
        finally:
            _end(loop)
            _replace(virtual, real)  # also in what was imported meanwhile


def _replace(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Replaces functions of the module ``time`` there, and where they were imported by name."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        for name, function in old.items():
            if names.get(name) is function:
                names[name] = new[name]


def _end(loop: VirtualLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
    with contextlib.suppress(RuntimeError):
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
