"""A user's memory on disk: one SQLite database a user, in WAL mode.

Each user has a file of their own, named by a hash: no query can reach another's rows, and the
figures that rank one user's memories owe nothing to another's.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import LabError
from pipelines.server.memory.disk.record import Remembered

VERSION = 1
"""``user_version`` of a database of this form."""
BUSY_MS = 1_000
"""Longest wait for another program that writes, ms."""
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE memories (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL,
    said_s REAL NOT NULL,
    source TEXT NOT NULL,
    text TEXT NOT NULL,
    importance REAL NOT NULL CHECK (importance BETWEEN 0 AND 1)
);
CREATE INDEX memories_by_time ON memories (said_s);
CREATE VIRTUAL TABLE words USING fts5 (
    text, content='memories', content_rowid='number',
    tokenize="porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER memory_added AFTER INSERT ON memories BEGIN
    INSERT INTO words (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER memory_gone AFTER DELETE ON memories BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text);
END;
"""
COLUMNS = "number, conversation, said_s, source, text, importance"
"""Columns of a `Remembered`, in its order."""


class MemoryStoreError(LabError):
    """A user's memory can't be read or written; one sentence."""


def path_of(folder: Path, user: str) -> Path:
    """The database of a user: the name says nothing of whose it is."""
    return folder / f"{hashlib.sha256(user.encode()).hexdigest()[:32]}.sqlite"


def make_folder(folder: Path) -> None:
    """Makes the folder of the databases, for its owner alone.

    Raises:
        MemoryStoreError: it can't be made, or nothing can be written there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise MemoryStoreError(
            f"the memory's folder {folder} can't be made or written: {error.strerror}; choose "
            "another --memory"
        ) from None


def open_to_write(path: Path, user: str, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """A connection that writes; the database is made where there is none.

    Raises:
        MemoryStoreError: it can't be opened, or is no memory of this version.
    """
    make_folder(path.parent)
    with told(path):
        path.touch(mode=0o600)
        connection = _connect(path, "rw", busy_ms)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                _make(connection, user)
            elif version != VERSION:
                raise MemoryStoreError(
                    f"{path.name}: a memory of version {version}; this duplex-lab reads {VERSION}"
                )
            # Confirmed means: on the disk, also if the machine loses its power.
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_read(path: Path, busy_ms: int = 0) -> sqlite3.Connection | None:
    """A connection that can't write; None: nothing has been kept.

    Raises:
        MemoryStoreError: it can't be opened.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    with told(path):
        # Not mode=ro: the reader of a WAL may have to make its index.
        connection = _connect(path, "rw", busy_ms)
        connection.execute("PRAGMA query_only = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            connection.close()
            return None  # being made just now
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block, or nothing.

    Raises:
        sqlite3.Error: it could not be begun, done or committed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise


def clear_log(connection: sqlite3.Connection) -> None:
    """Empties the log, in which deleted rows could still be read, once nobody reads from it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def sentence(path: Path, error: sqlite3.Error) -> str:
    """An error of SQLite's in a sentence."""
    code = getattr(error, "sqlite_errorcode", None)
    what = {
        sqlite3.SQLITE_BUSY: "another program holds it locked",
        sqlite3.SQLITE_LOCKED: "another program holds it locked",
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_NOTADB: "it is no SQLite database",
        sqlite3.SQLITE_CORRUPT: "it is damaged",
        sqlite3.SQLITE_READONLY: "it may not be written",
        sqlite3.SQLITE_CANTOPEN: "it can't be opened",
    }.get(code & 0xFF if code is not None else -1, str(error))
    return f"the memory {path.name} can't be used: {what}"


def remembered(row: tuple[int, str, float, str, str, float]) -> Remembered:
    """A row of `COLUMNS`."""
    return Remembered(*row)


def meta(connection: sqlite3.Connection, key: str) -> str | None:
    """A fact about the whole memory: ``user`` or ``days``."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _connect(path: Path, mode: str, busy_ms: int) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=busy_ms / 1_000, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _make(connection: sqlite3.Connection, user: str) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:  # nobody made it in between
            for statement in _statements(SCHEMA):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('user', ?)", (user,))
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, each whole: ``executescript`` would commit between them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Errors of the block in a sentence.

    Raises:
        MemoryStoreError: SQLite, or the file system, could not do it.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise MemoryStoreError(sentence(path, error)) from None
    except OSError as error:
        raise MemoryStoreError(f"the memory {path.name} can't be used: {error.strerror}") from None
