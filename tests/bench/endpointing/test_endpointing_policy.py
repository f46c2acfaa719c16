"""Cut-offs against waiting, on silences whose answer is known."""

from __future__ import annotations

import pytest

from bench.endpointing.policy import (
    Point,
    cut_off_bounds,
    fewest_cut_offs,
    frontier,
    latency_bounds,
    scored,
    shortest_latency,
    silence_alone,
    sweep,
)
from bench.endpointing.predictions import Label, Prediction
from pipelines.errors import LabError


def silence(turn: str, label: Label, *estimates: float, index: int = 0) -> list[Prediction]:
    """A silence of 0.1 s per estimate after the first."""
    return [
        Prediction(turn, "en", index, 1 + k / 10, round(k / 10, 1), p, label)
        for k, p in enumerate(estimates)
    ]


UNSURE = silence("a", "hold", 0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # 0.5 s, passes 0.35 at 0.4 s
FOOLED = silence("b", "hold", 0.0, 0.9, 0.9, 0.9)  # 0.3 s, passes 0.5 at once
LONG = silence("c", "hold", *[0.0] * 13)  # 1.2 s
SURE = silence("a", "eot", 0.0, 0.4, 0.8, 0.9, *[0.9] * 40, index=1)  # passes 0.5 at 0.2 s
SLOW = silence("b", "eot", *[0.0] * 8, *[0.6] * 40, index=1)  # passes 0.5 at 0.8 s
SCORED = scored([*SLOW, *UNSURE, *FOOLED, *LONG, *SURE])


def tried(threshold: float, delay: float, timeout: float) -> Point:
    (point,) = sweep(SCORED, [threshold], [delay], [timeout])
    return point


def test_a_pause_that_outlasts_the_estimates_first_passing_is_cut_off() -> None:
    point = tried(0.5, 0.2, 2.0)
    assert (point.cut_offs, point.pauses, point.ends) == (1, 3, 2), "FOOLED lasts 0.3 s, cut at 0.2"
    assert point.latency_s == pytest.approx((0.2 + 0.8) / 2)
    assert point.found == 1.0


def test_a_pause_as_long_as_the_delay_is_not_cut_off() -> None:
    assert tried(0.5, 0.3, 2.0).cut_offs == 0


def test_the_timeout_cuts_longer_pauses_and_ends_turns_that_the_estimate_misses() -> None:
    point = tried(0.95, 0.2, 1.0)
    assert point.cut_offs == 1, "LONG lasts 1.2 s"
    assert point.latency_s == 1.0
    assert point.found == 0.0


def test_an_estimate_equal_to_the_threshold_has_not_passed_it() -> None:
    assert tried(0.9, 0.2, 2.0).cut_offs == 0
    assert tried(0.89, 0.2, 2.0).cut_offs == 1


def test_a_delay_longer_than_the_timeout_is_no_policy() -> None:
    assert list(sweep(SCORED, [0.5], [0.9], [0.5])) == []


def test_pauses_shorter_than_200_ms_are_left_out_and_short_ends_are_not() -> None:
    blink = silence("d", "hold", 0.9, 0.9)
    short = silence("d", "eot", 0.9, 0.9, index=1)
    of = scored([*UNSURE, *blink, *short])
    assert (len(of.pauses.lengths_s), len(of.ends.lengths_s)) == (1, 1)


def test_the_best_points_keep_their_budgets() -> None:
    points = list(sweep(SCORED))
    fast = fewest_cut_offs(points, 0.5)
    assert fast is not None
    assert fast.cut_offs == 1, "FOOLED, by 0.2 s"
    assert fast.latency_s == pytest.approx(0.5)
    none = shortest_latency(points, 0.0)
    assert none is not None and none.latency_s == pytest.approx((0.3 + 0.8) / 2)
    assert fewest_cut_offs(points, 0.1) is None, "the shortest delay is 0.2 s"


def test_silence_alone_waits_as_long_as_it_says_and_cuts_all_longer_pauses() -> None:
    points = {p.timeout_s: p for p in silence_alone(SCORED)}
    assert (points[0.2].cut_offs, points[0.2].latency_s) == (3, 0.2)
    assert points[0.5].cut_offs == 1
    assert points[1.2].cut_offs == 0


def test_the_frontier_holds_no_point_that_another_beats_in_both() -> None:
    def point(latency_s: float, cut: int) -> Point:
        return Point(0.5, 0.2, 1.0, cut, 10, latency_s, 10, 1.0)

    kept = frontier([point(0.3, 5), point(0.2, 7), point(0.4, 5), point(0.5, 1)])
    assert [(p.latency_s, p.cut_offs) for p in kept] == [(0.2, 7), (0.3, 5), (0.5, 1)]


def test_intervals_are_given_from_20_silences_on() -> None:
    pauses = [
        row for i in range(20) for row in silence(f"p{i}", "hold", *[0.0] * (4 + 8 * (i < 5)))
    ]
    ends = [
        row
        for i in range(20)
        for row in silence(f"p{i}", "eot", *[0.0] * (2 + i % 2), *[0.9] * 9, index=1)
    ]
    of = scored([*pauses, *ends])
    (point,) = sweep(of, [0.95], [0.2], [1.0])
    assert cut_off_bounds(point).value == 0.25
    assert cut_off_bounds(point).low == pytest.approx(0.0866, abs=1e-4)
    assert cut_off_bounds(point).high == pytest.approx(0.4910, abs=1e-4)
    (sure,) = sweep(of, [0.5], [0.2], [1.0])
    wait = latency_bounds(of, sure)
    assert wait.value == pytest.approx(0.25)
    assert wait.low is not None and wait.high is not None
    assert 0.22 < wait.low < 0.25 < wait.high < 0.28


def test_silences_without_a_pause_are_refused() -> None:
    with pytest.raises(LabError, match="0 pauses"):
        scored(SURE)


def test_a_silence_with_two_labels_is_refused() -> None:
    with pytest.raises(LabError, match="two labels"):
        scored([*UNSURE, *silence("a", "eot", 0.1)])
