"""Sessions that share a model: rounds, latecomers, and errors; no model needed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.duplex.moshi.torch_batch import LockStep
from pipelines.process.engine import EngineError


class Work:
    """Doubles each row's number, and notes who was served together."""

    def __init__(self, took_s=0.0):
        self.rounds = []
        self.took_s = took_s

    def __call__(self, given):
        self.rounds.append(sorted(given))
        time.sleep(self.took_s)
        return {row: 2 * number for row, number in given.items()}


def ignored(row):
    pass


def test_rows_that_are_there_in_time_are_served_together():
    work = Work(took_s=0.01)
    rows = LockStep(3, work, deadline_s=10.0)
    open_rows = [rows.join(ignored) for _ in range(3)]

    def converse(row):
        return [rows.step(row, 10 * row + n) for n in range(5)]

    with ThreadPoolExecutor(3) as pool:
        outputs = list(pool.map(converse, open_rows))
    assert outputs == [[2 * (10 * row + n) for n in range(5)] for row in open_rows]
    assert work.rounds == [sorted(open_rows)] * 5


def test_who_is_late_is_left_out_and_served_in_the_next_round():
    work = Work()
    rows = LockStep(2, work, deadline_s=0.05)
    here, late = rows.join(ignored), rows.join(ignored)
    begin = time.monotonic()
    assert rows.step(here, 1) == 2
    assert 0.05 <= time.monotonic() - begin < 1.0
    assert rows.step(late, 3) == 6
    assert work.rounds == [[here], [late]]


def test_one_who_leaves_is_no_longer_waited_for():
    rows = LockStep(2, Work(), deadline_s=30.0)
    stays, leaves = rows.join(ignored), rows.join(ignored)
    threading.Timer(0.05, rows.leave, [leaves]).start()
    begin = time.monotonic()
    assert rows.step(stays, 1) == 2
    assert time.monotonic() - begin < 5.0


def test_a_row_is_started_over_for_each_session_and_never_while_others_are_served():
    begun: list[int] = []
    rows = LockStep(1, Work(), deadline_s=1.0)
    first = rows.join(begun.append)
    with pytest.raises(EngineError, match="all 1 sessions of this model are open"):
        rows.join(begun.append)
    rows.leave(first)
    assert rows.join(begun.append) == first
    assert begun == [first, first]


def test_what_the_work_raises_reaches_every_row_of_the_round():
    def broken(given):
        raise RuntimeError("the GPU is gone")

    rows = LockStep(2, broken, deadline_s=5.0)
    both = [rows.join(ignored) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        served = [pool.submit(rows.step, row, 1) for row in both]
        errors = [one.exception(10) for one in served]
    assert [str(e) for e in errors] == ["the GPU is gone"] * 2
