"""What a memory's owner may ask for: all of it, how long it is kept, and that it is forgotten."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipelines.server.memory.disk.database import (
    COLUMNS,
    MemoryStoreError,
    clear_log,
    meta,
    open_to_read,
    open_to_write,
    path_of,
    remembered,
    told,
    transaction,
)
from pipelines.server.memory.disk.record import iso

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Owned:
    """A user's memory, in a line."""

    user: str
    """Subject of their tokens; empty: it was forgotten."""
    file: str
    utterances: int
    first: str
    """Time of the oldest utterance, ISO 8601; empty: there is none."""
    last: str
    days: int | None
    """Days of the user's own after which utterances are forgotten; None: those of the server."""


def owned(folder: Path) -> list[Owned]:
    """The memories in a folder, by user.

    Raises:
        MemoryStoreError: there is no such folder, or a memory can't be read.
    """
    if not folder.is_dir():
        raise MemoryStoreError(f"{folder}: there is no such folder")
    found = []
    for path in folder.glob("*.sqlite"):
        connection = open_to_read(path)
        if connection is not None:
            with contextlib.closing(connection):
                found.append(_owned(connection, path))
    return sorted(found, key=lambda one: (one.user, one.file))


def everything(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """All that is remembered, oldest first, as plain tables: a JSON object a line."""
    for row in connection.execute(f"SELECT {COLUMNS} FROM memories ORDER BY number"):
        one = remembered(row)
        yield {
            "number": one.number,
            "said": iso(one.said_s),
            "source": one.source,
            "text": one.text,
            "importance": one.importance,
            "conversation": one.conversation,
        }


def forget(connection: sqlite3.Connection, number: int | None = None) -> int:
    """Deletes one utterance, or all and whose they were; returns how many.

    The words' index is made anew, for it keeps words of deleted rows; within a transaction.
    """
    if number is None:
        cursor = connection.execute("DELETE FROM memories")
        connection.execute("DELETE FROM meta")
        connection.execute("DELETE FROM sqlite_sequence")
    else:
        cursor = connection.execute("DELETE FROM memories WHERE number = ?", (number,))
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
    return cursor.rowcount


def keep_for(connection: sqlite3.Connection, days: int | None) -> None:
    """Sets a user's own number of days; None: the server's."""
    if days is None:
        connection.execute("DELETE FROM meta WHERE key = 'days'")
    else:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('days', ?)", (str(days),))


def read(folder: Path, user: str, what: Callable[[sqlite3.Connection], T], nothing: T) -> T:
    """Reads a user's memory, from any program; ``nothing`` where there is none.

    Raises:
        MemoryStoreError: it can't be read.
    """
    path = path_of(folder, user)
    connection = open_to_read(path)
    if connection is None:
        return nothing
    with contextlib.closing(connection), told(path):
        return what(connection)


def change(folder: Path, user: str, what: Callable[[sqlite3.Connection], T]) -> T:
    """Changes a user's memory, from any program, also while a server uses it.

    Raises:
        MemoryStoreError: there is none, or it can't be changed.
    """
    path = path_of(folder, user)
    if not path.is_file():
        raise MemoryStoreError(f"nothing is remembered of {user!r} in {folder}")
    with contextlib.closing(open_to_write(path, user)) as connection, told(path):
        with transaction(connection):
            done = what(connection)
        clear_log(connection)
        return done


def _owned(connection: sqlite3.Connection, path: Path) -> Owned:
    with told(path):
        count, first, last = connection.execute(
            "SELECT count(*), min(said_s), max(said_s) FROM memories"
        ).fetchone()
        days = meta(connection, "days")
        return Owned(
            meta(connection, "user") or "",
            path.name,
            int(count),
            iso(first) if count else "",
            iso(last) if count else "",
            int(days) if days is not None else None,
        )
