"""Pauses of a training do not count."""

from __future__ import annotations

from training.nano_duplex.stopwatch import LONGEST_S, Stopwatch


def test_steps_add_up_and_a_pause_counts_as_the_longest_step():
    times = iter([100.0, 101.5, 103.0, 1000.0, 1001.0])
    watch = Stopwatch(10.0, clock=lambda: next(times))
    assert [watch.lap() for _ in range(4)] == [11.5, 13.0, 13.0 + LONGEST_S, 14.0 + LONGEST_S]
