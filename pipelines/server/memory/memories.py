"""`Memories`: the memory of a server, and `UserMemory`: that of the one user of a conversation.

A `UserMemory` is bound to its user when it is made, by the subject of a checked token; nothing that
is said can name another.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.engines.options import SttOptions
from pipelines.process.process import ModelProcess
from pipelines.server.memory.disk.database import (
    MemoryStoreError,
    make_folder,
    open_to_read,
    path_of,
    sentence,
)
from pipelines.server.memory.disk.record import Candidate, Utterance
from pipelines.server.memory.disk.writer import Writer
from pipelines.server.memory.finding.relevance import Relevance, calibrated
from pipelines.server.memory.finding.search import search
from pipelines.server.memory.finding.words import Stems
from pipelines.server.memory.importance import importance
from pipelines.server.memory.options import MemoryOptions
from pipelines.server.memory.unfit import Filter, load_filter

READERS = 2
"""Threads that search."""
LAST_WORDS_S = 5.0
"""Longest time for the recogniser to understand the last utterances when the server ends, s."""
AGENT_IMPORTANCE = 0.3
"""Of what the agent said: kept, and never injected."""


@dataclass(slots=True)
class Memories:
    """The memories of a server's users, from `start` to `close`.

    Args:
        options: Its table; `MemoryOptions.folder` is set.
        now_s: The time, s since 1970.
    """

    options: MemoryOptions
    now_s: Callable[[], float] = time.time
    filter: Filter = field(init=False)
    writer: Writer = field(init=False)
    relevance: Relevance = field(init=False)
    stems: Stems = field(init=False)
    readers: ThreadPoolExecutor = field(init=False)
    recogniser: ModelProcess | None = None
    """Understands users of duplex models; None: nobody does."""
    understanding: set[asyncio.Task[None]] = field(default_factory=set)
    """Of conversations that are over: their last utterances."""

    def __post_init__(self) -> None:
        """Reads the filter's rows.

        Raises:
            SpecError: they are not right.
        """
        self.filter = load_filter(self.options.unfit)
        self.relevance = calibrated()
        self.stems = Stems()
        self.writer = Writer(self.folder, self.options.days, self.now_s)
        self.readers = ThreadPoolExecutor(READERS, "memory reader")

    @property
    def folder(self) -> Path:
        """Folder of the databases."""
        assert self.options.folder is not None
        return self.options.folder

    def start(self) -> None:
        """Starts the writer.

        Raises:
            MemoryStoreError: its folder can't be made, or not be written.
        """
        make_folder(self.folder)
        self.writer.start()

    async def listen(self) -> None:
        """Starts the recogniser, if the options name one.

        Raises:
            LabError: it can't be loaded.
        """
        options = self.options
        if options.listener in ("", "none") or self.recogniser is not None:
            return
        from pipelines.server.memory.listener import recogniser

        stt = SttOptions(options.listener, options.listener_model, options.listener_lm)
        self.recogniser = await asyncio.to_thread(recogniser, stt)
        await self.recogniser.ensure_running()

    async def aclose(self) -> None:
        """Lets the last utterances be understood, for a few seconds, and ends everything."""
        if self.understanding:
            _, late = await asyncio.wait(self.understanding, timeout=LAST_WORDS_S)
            for task in late:
                task.cancel()
        if self.recogniser is not None:
            await self.recogniser.stop()
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Writes what waits, and ends the threads."""
        self.writer.close()
        self.readers.shutdown(wait=True, cancel_futures=True)

    def of(self, user: str, conversation: str) -> UserMemory:
        """One user's memory, for one conversation.

        Args:
            user: Subject of a checked token, not empty.
            conversation: An id that no other conversation has.
        """
        assert user, "a memory is somebody's"
        return UserMemory(self, user, conversation)


@dataclass(slots=True)
class UserMemory:
    """What one user's conversation may keep and find."""

    house: Memories
    user: str
    conversation: str
    _connection: sqlite3.Connection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, source: str, text: str) -> Future[object] | None:
        """Hands over what was said, without waiting; None: it is nothing that may be kept.

        Args:
            source: ``user``, ``agent`` or ``listener``.
            text: The words.
        """
        fit = self.house.filter.fit(text)
        if fit is None:
            return None
        worth = AGENT_IMPORTANCE if source == "agent" else importance(fit)
        said = Utterance(self.conversation, self.house.now_s(), source, fit, worth)
        return self.house.writer.keep(self.user, said)

    def search(self, text: str) -> Future[list[Candidate]]:
        """Looks, on another thread, for what is relevant and important enough."""
        return self.house.readers.submit(self.find, text)

    def find(self, text: str) -> list[Candidate]:
        """The same, here and now: the most relevant first.

        Raises:
            MemoryStoreError: the memory can't be read.
        """
        house, options = self.house, self.house.options
        path = path_of(house.folder, self.user)
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = open_to_read(path)
                if self._connection is None:
                    return []
                found = search(
                    self._connection,
                    house.stems,
                    text,
                    candidates=options.candidates,
                    least_importance=options.importance,
                    not_of=self.conversation,
                )
            except sqlite3.Error as error:
                self._close()
                raise MemoryStoreError(sentence(path, error)) from None
        scored = [Candidate(one.memory, house.relevance.of(one)) for one in found]
        good = [one for one in scored if one.relevance >= options.relevance]
        return sorted(good, key=lambda one: -one.relevance)[: options.most_injected]

    def close(self) -> None:
        """Closes its connection."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
