"""The databases: what was confirmed is there, the rest is not half there; old things go."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.server.memory.disk.database import (
    MemoryStoreError,
    open_to_read,
    open_to_write,
    path_of,
)
from pipelines.server.memory.disk.record import Utterance
from pipelines.server.memory.disk.writer import Writer
from tests.pipelines.server.memory.remembered import DAY_S, T0_S, Calendar

ROOT = Path(__file__).parents[4]
CHILD = """
import sys
from pathlib import Path
from pipelines.server.memory.disk.record import Utterance
from pipelines.server.memory.disk.writer import Writer

writer = Writer(Path(sys.argv[1]), 90)
writer.start()
promises = []
for k in range(100_000):
    promises.append(writer.keep("ada", Utterance("c", 1.79e9, "user", f"told {k} " * 20, 0.9)))
    if k % 10 == 9:
        for promise in promises:
            print(promise.result(), flush=True)
        promises.clear()
"""


def said(text, s=T0_S, importance=0.9):
    return Utterance("before", s, "user", text, importance)


@contextlib.contextmanager
def writing(folder, calendar=None, **more):
    writer = Writer(folder, 90, calendar or Calendar(), **more)
    writer.start()
    try:
        yield writer
    finally:
        writer.close()


def texts(folder, user="ada"):
    with contextlib.closing(open_to_read(path_of(folder, user))) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM memories")]


def test_a_writer_that_is_killed_leaves_what_it_confirmed_and_nothing_half(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    confirmed = [int(child.stdout.readline()) for _ in range(200)]
    time.sleep(0.013)  # into the middle of whatever it does now
    os.kill(child.pid, signal.SIGKILL)
    rest, _ = child.communicate()
    confirmed += [int(line) for line in rest.split("\n")[:-1]]  # what follows no line end is cut
    with contextlib.closing(sqlite3.connect(path_of(tmp_path, "ada"))) as kept:
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        numbers = [n for (n,) in kept.execute("SELECT number FROM memories ORDER BY number")]
        # Every confirmed one is there; what is there is whole, and each row is in the index.
        assert numbers[: len(confirmed)] == confirmed == list(range(1, len(confirmed) + 1))
        lengths = kept.execute("SELECT number, text FROM memories").fetchall()
        assert all(text == f"told {number - 1} " * 20 for number, text in lengths)
        found = kept.execute("SELECT count(*) FROM words WHERE words MATCH 'told'").fetchone()
        assert found == (len(numbers),)
        kept.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    # It goes on where the killed one stopped.
    with writing(tmp_path, lambda: 1.79e9) as writer:
        assert writer.keep("ada", said("again", 1.79e9)).result(10) == numbers[-1] + 1


def test_a_locked_memory_keeps_nothing_and_says_so_and_later_it_keeps_again(tmp_path):
    with writing(tmp_path, busy_ms=20) as writer:
        assert writer.keep("ada", said("one")).result(10) == 1
        with contextlib.closing(sqlite3.connect(path_of(tmp_path, "ada"))) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(MemoryStoreError, match="another program holds it locked"):
                writer.keep("ada", said("two")).result(10)
            assert writer.keep("ben", said("mine")).result(10) == 1  # nobody else is held up
            other.rollback()
        assert writer.keep("ada", said("three")).result(10) == 2
    assert texts(tmp_path) == ["one", "three"]


def test_a_full_disk_keeps_nothing_of_a_transaction_and_says_so(tmp_path):
    with writing(tmp_path) as writer:
        writer.keep("ada", said("one")).result(10)

        def fill(connection):
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        writer.work("ada", fill).result(10)
        with pytest.raises(MemoryStoreError, match="the disk is full"):
            writer.keep("ada", said("x" * 100_000)).result(10)
        assert writer.keep("ada", said("two")).result(10) == 2
    assert texts(tmp_path) == ["one", "two"]


def test_what_is_too_old_is_gone_and_each_user_has_days_of_their_own(tmp_path):
    calendar = Calendar()
    with writing(tmp_path, calendar) as writer:
        for user in ("ada", "ben"):
            writer.keep(user, said("old")).result(10)
        writer.work(
            "ben", lambda c: c.execute("INSERT INTO meta VALUES ('days', '200')") and None
        ).result(10)
        calendar.pass_days(91)
        for user in ("ada", "ben"):
            writer.keep(user, said("new", calendar())).result(10)
    assert texts(tmp_path) == ["new"]
    assert texts(tmp_path, "ben") == ["old", "new"]
    with contextlib.closing(sqlite3.connect(path_of(tmp_path, "ada"))) as kept:
        assert kept.execute("SELECT rowid FROM words WHERE words MATCH 'old'").fetchall() == []
    assert calendar() - T0_S == 91 * DAY_S


def test_a_memory_is_its_owner_s_alone_and_its_name_says_nothing(tmp_path):
    folder = tmp_path / "memory"
    with writing(folder) as writer:
        writer.keep("../../ada", said("one")).result(10)
    (path,) = folder.glob("*.sqlite")
    assert folder.stat().st_mode & 0o777 == 0o700 and path.stat().st_mode & 0o777 == 0o600
    assert "ada" not in path.name and list(tmp_path.iterdir()) == [folder]


def test_what_is_no_memory_is_said(tmp_path):
    path = path_of(tmp_path, "ada")
    path.write_bytes(b"no database at all, but long enough to look like one" * 20)
    with pytest.raises(MemoryStoreError, match="it is no SQLite database"):
        open_to_read(path)
    path.unlink()
    assert open_to_read(path) is None
    with contextlib.closing(open_to_write(path, "ada")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MemoryStoreError, match="a memory of version 99; this duplex-lab reads 1"):
        open_to_write(path, "ada")


def test_more_than_can_wait_for_the_disk_is_said_and_not_waited_for(tmp_path, monkeypatch):
    from pipelines.server.memory.disk import writer as module

    monkeypatch.setattr(module, "MOST_WAITING", 3)
    writer = Writer(tmp_path, 90)  # not started: a disk that never comes back
    promises = [writer.keep("ada", said("x")) for _ in range(4)]
    assert [p.done() for p in promises] == [False, False, False, True]
    with pytest.raises(MemoryStoreError, match="3 utterances behind"):
        promises[-1].result()
