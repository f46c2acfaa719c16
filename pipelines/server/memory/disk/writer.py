"""The one thread that writes memories: whoever speaks hands them over and never waits.

What comes while a transaction is on goes into the next, so a slow disk makes larger transactions
and no queue. A promise is kept once its transaction is on the disk.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.server.memory.disk.database import (
    MemoryStoreError,
    clear_log,
    meta,
    open_to_write,
    path_of,
    sentence,
    transaction,
)
from pipelines.server.memory.disk.record import Utterance

MOST_WAITING = 10_000
"""Utterances that may wait for the disk; what comes beyond them is not kept."""
MOST_OPEN = 64
"""Databases that are open at a time."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class _Job:
    """One utterance, or any work on a user's database."""

    user: str
    utterance: Utterance | None
    work: Callable[[sqlite3.Connection], object] | None
    promise: Future[object]


@dataclass(slots=True)
class _Open:
    """A database that is open."""

    path: Path
    connection: sqlite3.Connection
    purged_s: float = 0.0
    """When what is too old was last deleted."""


@dataclass(slots=True)
class Writer:
    """The thread, from `start` to `close`.

    Args:
        folder: Folder of the databases.
        keep_days: Days after which an utterance is deleted, where a user has no number of theirs.
        now_s: The time, s since 1970.
        busy_ms: Longest wait for another program that writes, ms.
    """

    folder: Path
    keep_days: int
    now_s: Callable[[], float] = time.time
    busy_ms: int = 1_000
    _jobs: queue.Queue[_Job | None] = field(default_factory=lambda: queue.Queue(MOST_WAITING))
    _thread: threading.Thread | None = None
    _open: OrderedDict[str, _Open] = field(default_factory=OrderedDict)

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="memory writer", daemon=True)
        self._thread.start()

    def keep(self, user: str, utterance: Utterance) -> Future[object]:
        """Hands an utterance over.

        Returns:
            Its number, once it is on the disk; a `MemoryStoreError` if it will not be there.
        """
        return self._put(_Job(user, utterance, None, Future()))

    def work(self, user: str, what: Callable[[sqlite3.Connection], object]) -> Future[object]:
        """Does any work on a user's database, in its turn, in one transaction."""
        return self._put(_Job(user, None, what, Future()))

    def close(self, wait_s: float = 5.0) -> None:
        """Writes what waits, and ends."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._jobs.put(None, timeout=wait_s)
            self._thread.join(wait_s)
            self._thread = None

    def _put(self, job: _Job) -> Future[object]:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            job.promise.set_exception(
                MemoryStoreError(f"the memory's disk is {MOST_WAITING} utterances behind")
            )
        return job.promise

    # the thread

    def _run(self) -> None:
        going_on = True
        while going_on:
            jobs = [self._jobs.get()]
            while not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            going_on = None not in jobs
            by_user: dict[str, list[_Job]] = {}
            for job in jobs:
                if job is not None:
                    by_user.setdefault(job.user, []).append(job)
            for user, of_one in by_user.items():
                self._write(user, of_one)
        for one in self._open.values():
            one.connection.close()
        self._open.clear()

    def _write(self, user: str, jobs: list[_Job]) -> None:
        """One user's jobs in one transaction; all of them fail together."""
        jobs = [job for job in jobs if job.promise.set_running_or_notify_cancel()]
        path = path_of(self.folder, user)
        try:
            one = self._opened(user, path)
            results: list[object] = []
            with transaction(one.connection):
                for job in jobs:
                    results.append(_done(one.connection, job))
                self._purge(one)
            if any(job.work is not None for job in jobs):
                clear_log(one.connection)
        except sqlite3.Error as error:
            self._forget_connection(user)
            self._fail(jobs, MemoryStoreError(sentence(path, error)))
        except Exception as error:  # nothing may end the thread
            self._forget_connection(user)
            self._fail(jobs, error)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.promise.set_result(result)

    def _fail(self, jobs: list[_Job], error: Exception) -> None:
        for job in jobs:
            job.promise.set_exception(error)

    def _opened(self, user: str, path: Path) -> _Open:
        one = self._open.get(user)
        if one is None or not path.is_file():  # somebody has deleted the file under us
            self._forget_connection(user)
            one = _Open(path, open_to_write(path, user, self.busy_ms))
            self._open[user] = one
        self._open.move_to_end(user)
        while len(self._open) > MOST_OPEN:
            _, oldest = self._open.popitem(last=False)
            oldest.connection.close()
        return one

    def _forget_connection(self, user: str) -> None:
        if one := self._open.pop(user, None):
            one.connection.close()

    def _purge(self, one: _Open) -> None:
        """Deletes what is too old, once an hour."""
        now_s = self.now_s()
        if now_s - one.purged_s >= DAY_S / 24:
            days = int(meta(one.connection, "days") or self.keep_days)
            oldest_s = now_s - days * DAY_S
            one.connection.execute("DELETE FROM memories WHERE said_s < ?", (oldest_s,))
            one.purged_s = now_s


def _done(connection: sqlite3.Connection, job: _Job) -> object:
    if job.work is not None:
        return job.work(connection)
    said = job.utterance
    assert said is not None
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('user', ?)", (job.user,))
    cursor = connection.execute(
        "INSERT INTO memories (conversation, said_s, source, text, importance) VALUES (?,?,?,?,?)",
        (said.conversation, said.said_s, said.source, said.text, said.importance),
    )
    return cursor.lastrowid
