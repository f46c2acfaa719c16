"""The search for the largest load, over agents whose answer is known."""

import math

import pytest

from bench.capacity.arrivals import arrivals, lasts_s, mean_length_s, rate_per_s
from bench.capacity.search import search

LENGTHS_S = {"a": 4.0, "b": 8.0}


def bears(most, calls=None):
    """An agent that bears so many calls."""

    def play(load, repeat):
        if calls is not None:
            calls.append((load, repeat))
        return "holds" if load <= most else "broken"

    return play


@pytest.mark.parametrize("most", [1.5, 3.0, 10.0, 23.0, 47.3])
def test_the_load_that_is_found_is_within_a_tenth_of_the_true_one(most):
    found = search(bears(most), first=1.0, limit=64.0)
    assert found.most is not None and found.beyond is not None
    assert found.most <= most < found.beyond
    assert found.beyond - found.most <= 0.1 * found.beyond


def test_the_load_that_is_found_has_held_as_often_as_was_asked():
    played: list[tuple[float, int]] = []
    found = search(bears(10.0, played), first=2.0, limit=64.0, repeats=3)
    assert [repeat for load, repeat in played if load == found.most] == [0, 1, 2]


def test_a_load_that_held_by_chance_is_taken_back():
    lucky = {9.0}

    def play(load, repeat):
        return "holds" if load < 8.5 or (load in lucky and repeat == 0) else "broken"

    found = search(play, first=1.0, limit=64.0, repeats=2)
    assert found.most is not None and found.most < 8.5
    assert found.beyond is not None and found.beyond <= 9.0


def test_where_the_first_load_held_by_chance_smaller_ones_are_looked_at():
    def play(load, repeat):
        return "holds" if load < 5 or (load == 8 and repeat == 0) else "broken"

    found = search(play, first=8.0, limit=64.0, repeats=2)
    assert found.most is not None and 4.5 <= found.most < 5


def test_an_agent_that_bears_all_is_said_to_bear_the_largest_load_and_nothing_beyond():
    found = search(bears(1_000.0), first=2.0, limit=50.0)
    assert (found.most, found.beyond) == (50.0, None)


def test_an_agent_that_bears_nothing_is_asked_for_less_and_less_and_then_given_up():
    found = search(bears(0.0), first=4.0)
    assert found.most is None and found.beyond == 0.5


def test_what_is_unknown_is_no_pass():
    assert search(lambda load, repeat: "unknown", first=1.0).most is None


def test_as_many_calls_count_as_were_asked_for_and_none_while_the_load_builds_up():
    calls = arrivals(LENGTHS_S, 6.0, 300, "1")
    assert sum(call.settled for call in calls) == 300
    assert all(call.settled == (call.at_s >= 8.0) for call in calls)
    assert [call.number for call in calls] == list(range(len(calls)))
    said = [call.fixture for call in calls]
    assert abs(said.count("a") - said.count("b")) <= 1


def test_calls_come_at_the_rate_of_littles_law():
    assert mean_length_s(LENGTHS_S) == 6.0
    assert rate_per_s(12.0, 6.0) == 2.0
    calls = arrivals(LENGTHS_S, 12.0, 4_000, "1")
    rate = len(calls) / calls[-1].at_s
    assert rate == pytest.approx(2.0, rel=4 / math.sqrt(len(calls)))
    assert lasts_s(calls, LENGTHS_S) >= calls[-1].at_s + 4.0


def test_the_same_seed_gives_the_same_calls_and_another_load_gives_others():
    assert arrivals(LENGTHS_S, 3.0, 20, "1") == arrivals(LENGTHS_S, 3.0, 20, "1")
    assert arrivals(LENGTHS_S, 3.0, 20, "1") != arrivals(LENGTHS_S, 3.0, 20, "2")
