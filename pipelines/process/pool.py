"""`ModelPool`: the model processes of one agent, loaded once and kept warm across trials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from pipelines.marks import MarkSink
from pipelines.process.process import ModelProcess


class ModelPool:
    """Returns a running `ModelProcess` for a (name, engine, options); the same each time."""

    def __init__(self, marks: MarkSink) -> None:
        """Makes an empty pool; ``marks`` takes the marks of starting and loading."""
        self._marks = marks
        self._processes: dict[tuple[str, ...], ModelProcess] = {}

    async def __aenter__(self) -> ModelPool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def pids(self) -> list[int]:
        """Process ids of the children that run now."""
        return [p.pid for p in self._processes.values() if p.pid is not None]

    async def get(
        self,
        name: str,
        engine: str,
        options: Mapping[str, Any] | None = None,
        *,
        interpreter: str | None = None,
        **limits: float,
    ) -> ModelProcess:
        """The process for these arguments (those of `ModelProcess`), loaded and warm.

        Raises:
            ModelError: it could not be loaded.
        """
        given = json.dumps([dict(options or {}), limits], sort_keys=True)
        key = (name, engine, interpreter or "", given)
        process = self._processes.get(key)
        if process is None:
            process = ModelProcess(
                name, engine, options, marks=self._marks, interpreter=interpreter, **limits
            )
            self._processes[key] = process
        await process.ensure_running()
        process.untold.clear()
        return process

    async def settle(self, timeout_s: float = 1.0) -> list[str]:
        """Ends a conversation: call it before the conversation's marks are taken.

        Open requests are cancelled, and waited for: no mark of a request comes later. A process
        that does not come to rest is killed, and starts again when it is next needed.

        Returns:
            A sentence on each process that was killed, or that died since it was handed out
            without a request that reported it.
        """
        processes = self._processes.values()
        sentences = await asyncio.gather(*(p.settle(timeout_s) for p in processes))
        return [sentence for of_one in sentences for sentence in of_one]

    async def keep_warm(self) -> None:
        """Lets idle models work a little, one after the other.

        Raises:
            ModelError: one died of it.
        """
        for process in list(self._processes.values()):
            await process.keep_warm()

    async def aclose(self) -> None:
        """Stops every child."""
        await asyncio.gather(*(p.stop() for p in self._processes.values()))
        self._processes.clear()
