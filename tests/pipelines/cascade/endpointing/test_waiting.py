"""When no wait costs less than an answer now."""

from __future__ import annotations

import time

import pytest

from pipelines.cascade.endpointing.waiting import Pauses

HALF_A_SECOND = Pauses(0.5, 1e-3)
"""Every pause lasts 0.5 s."""
PEOPLE = Pauses(0.65, 0.5)


def test_half_of_the_pauses_are_longer_than_the_median() -> None:
    assert PEOPLE.longer[65] == pytest.approx(0.5, abs=1e-9)
    assert PEOPLE.longer[0] == pytest.approx(1.0, abs=1e-6)
    # One standard deviation of the logarithm above: 0.65 · e^0.5 = 1.0717 s.
    assert PEOPLE.longer[107] == pytest.approx(0.1591, abs=1e-3)


@pytest.mark.parametrize(
    ("over", "waits"),
    [
        # Now: 2 · (1 − p). Until the pause is over, 0.41 s: 0.41 · p. Equal at p = 2 / 2.41.
        (0.82, True),
        (0.84, False),
    ],
)
def test_a_wait_for_the_pauses_end_is_weighed_against_an_interruption(
    over: float, waits: bool
) -> None:
    assert HALF_A_SECOND.worth_waiting(over, 0.105, 2.0) is waits


def test_a_silence_longer_than_all_pauses_is_not_waited_in() -> None:
    assert not HALF_A_SECOND.worth_waiting(0.0, 0.6, 1e9)
    assert not PEOPLE.worth_waiting(0.5, 60.0, 1e9)


def test_nothing_is_waited_for_when_the_turn_is_surely_over_or_nothing_is_lost() -> None:
    assert not PEOPLE.worth_waiting(1.0, 0.1, 100.0)
    assert not PEOPLE.worth_waiting(0.2, 0.1, 0.0)


def test_the_dearer_an_interruption_the_more_is_waited_for() -> None:
    waits = [PEOPLE.worth_waiting(0.8, 0.1, cost_s) for cost_s in (0.5, 1, 2, 4, 8, 16)]
    assert waits == sorted(waits)
    assert waits[0] is False
    assert waits[-1] is True


def test_a_decision_takes_less_than_half_a_millisecond() -> None:
    before = time.thread_time()
    for _ in range(100):
        PEOPLE.worth_waiting(0.8, 0.3, 7.0)
    assert (time.thread_time() - before) / 100 < 0.5e-3
