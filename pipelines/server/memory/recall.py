"""What comes back in one conversation: each memory once, and no later than an answer can wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipelines.server.memory.disk.database import MemoryStoreError
from pipelines.server.memory.disk.record import Candidate
from pipelines.server.memory.memories import UserMemory


@dataclass(slots=True)
class Recall:
    """The searches of one conversation.

    Args:
        memory: The user's.
        injected: Told of memories that were put into the agent's context.
        failed: Told in a sentence that the memory can't be read.
    """

    memory: UserMemory
    injected: Callable[[Sequence[Candidate]], None]
    failed: Callable[[str], None]
    _known: set[int] = field(default_factory=set)
    """Memories that came back before."""
    _ahead: tuple[str, asyncio.Future[list[Candidate]]] | None = None

    def foresee(self, text: str) -> asyncio.Future[list[Candidate]]:
        """Begins the search for an utterance that will be asked for."""
        searching = asyncio.wrap_future(self.memory.search(text))
        searching.add_done_callback(_seen)
        self._ahead = (text, searching)
        return searching

    async def find(self, text: str, *, wait_s: float | None, keep: bool = True) -> list[Candidate]:
        """What an utterance brings back; nothing if it takes too long.

        Args:
            text: The user's words.
            wait_s: Longest wait, s; None: as long as it takes.
            keep: False if the agent may never say its answer: the same comes back again then.
        """
        if self._ahead is None or self._ahead[0] != text:
            self.foresee(text)
        assert self._ahead is not None
        searching = self._ahead[1]
        try:
            found = await asyncio.wait_for(asyncio.shield(searching), wait_s)
        except TimeoutError:
            return []
        except MemoryStoreError as error:
            self.failed(str(error))
            return []
        fresh = [one for one in found if one.memory.number not in self._known]
        if keep and fresh:
            self._known |= {one.memory.number for one in fresh}
            self.injected(fresh)
        return fresh


def _seen(searching: asyncio.Future[list[Candidate]]) -> None:
    """An error of a search that nobody waits for is no news."""
    if not searching.cancelled():
        searching.exception()
