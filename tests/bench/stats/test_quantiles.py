"""Intervals that hold what they promise, and figures that are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats import quantiles
from bench.stats.quantiles import (
    Estimate,
    mean,
    needed_n,
    order_bounds,
    per_key,
    quantile,
    rate,
)

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400)


def test_the_median_of_25_values_is_bounded_by_the_8th_and_the_18th() -> None:
    # The textbook's table of the sign test: n = 25 gives the ranks 8 and 18, at 95.7 %.
    found = quantile([float(i) for i in range(1, 26)], 0.5)
    assert found == Estimate(13.0, 25, 8.0, 18.0, need=20)


@pytest.mark.parametrize("p", [0.5, 0.95, 0.99])
def test_the_ranks_that_bound_a_quantile_are_those_of_the_binomial(p: float) -> None:
    from scipy.stats import binom

    for n in (1, 2, 19, 20, 58, 59, 100, 299, 1000):
        low, high = order_bounds(np.arange(1.0, n + 1), p, 0.025)
        lower, upper = binom.ppf(0.025, n, p), binom.ppf(0.975, n, p) + 1
        assert (low, high) == (lower or None, upper if upper <= n else None)


def test_p95_is_bounded_from_59_values_on_by_the_largest() -> None:
    few = quantile([float(i) for i in range(58)], 0.95)
    assert (few.value, few.high) == (None, None)
    assert few.insufficient == "insufficient n (58, 59)"
    enough = quantile([float(i) for i in range(59)], 0.95)
    assert (enough.high, enough.low, enough.insufficient) == (58.0, None, None)


def test_p99_is_bounded_from_299_values_on_by_the_largest() -> None:
    assert quantile([float(i) for i in range(298)], 0.99).insufficient == (
        "insufficient n (298, 299)"
    )
    assert quantile([float(i) for i in range(299)], 0.99).high == 298.0


@pytest.mark.parametrize(("p", "n"), [(0.5, 20), (0.95, 59), (0.99, 299)])
def test_each_quantile_needs_a_known_number_of_values(p: float, n: int) -> None:
    assert needed_n(p) == n


def test_under_twenty_values_there_is_a_median_and_no_interval() -> None:
    found = quantile([float(i) for i in range(19)], 0.5)
    assert (found.value, found.low, found.high) == (9.0, None, None)
    assert not found.bounded


def test_of_nothing_there_is_nothing() -> None:
    for found in (quantile([], 0.5), quantile([], 0.95), mean([]), rate(0, 0)):
        assert (found.value, found.n, found.low, found.high) == (None, 0, None, None)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1])
def test_a_quantile_outside_0_and_1_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1.0], p)


@settings(max_examples=100, deadline=None)
@given(values)
def test_an_interval_holds_the_median_and_consists_of_values_that_were_seen(
    data: list[float],
) -> None:
    found = quantile(data, 0.5)
    assert found.value == pytest.approx(float(np.median(data)))
    if found.low is not None and found.high is not None:
        assert found.low in data and found.high in data
        assert found.low <= np.median(data) <= found.high


@settings(max_examples=60, deadline=None)
@given(values, st.sampled_from([0.5, 0.95, 0.99]), st.randoms())
def test_the_order_of_values_does_not_matter(data: list[float], p: float, random: object) -> None:
    shuffled = list(data)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert quantile(shuffled, p) == quantile(data, p)


@settings(max_examples=60, deadline=None)
@given(values, st.integers(-1000, 1000))
def test_a_shift_of_all_values_shifts_the_interval(data: list[float], shift: int) -> None:
    here, there = quantile(data, 0.5), quantile([x + shift for x in data], 0.5)
    for a, b in ((here.value, there.value), (here.low, there.low), (here.high, there.high)):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert b == pytest.approx(a + shift, abs=1e-6)


def test_a_mean_has_the_same_interval_each_time_and_it_holds_the_mean() -> None:
    data = np.random.default_rng(3).lognormal(0, 1, 40).tolist()
    found = mean(data)
    assert found == mean(data)
    assert found.low is not None and found.high is not None and found.value is not None
    assert found.low < found.value < found.high
    # BCa leans to the side of the long tail.
    assert found.high - found.value > found.value - found.low


def test_a_mean_of_few_values_has_no_interval() -> None:
    assert mean([1.0, 2.0]) == Estimate(1.5, 2, need=20)


@pytest.mark.parametrize("noise", [0.0, 1e-15])
def test_a_mean_of_equal_values_is_itself_without_a_warning(noise: float) -> None:
    data = [12.0 + noise * (i % 2) for i in range(30)]
    found = mean(data)
    assert found.low == found.high == found.value == pytest.approx(12.0)


def test_a_rate_of_all_or_nothing_is_bounded_all_the_same() -> None:
    # The "rule of three": 0 of n leaves up to about 3.7/n two-sided.
    nothing, all_ = rate(0, 100), rate(100, 100)
    assert nothing.low == 0.0 and nothing.high == pytest.approx(0.0362, abs=1e-4)
    assert all_.low == pytest.approx(0.9638, abs=1e-4) and all_.high == 1.0


def test_a_rate_of_half_has_the_textbooks_interval() -> None:
    found = rate(50, 100)
    assert found.low == pytest.approx(0.3983, abs=1e-4)
    assert found.high == pytest.approx(0.6017, abs=1e-4)


def test_more_hits_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        rate(3, 2)


def test_a_turns_repeats_are_reduced_to_their_median() -> None:
    values = [(("f", 0), 5.0), (("f", 1), 1.0), (("f", 0), 7.0), (("g", 0), 2.0), (("f", 0), 90.0)]
    assert per_key(values) == [7.0, 1.0, 2.0]
    assert per_key([]) == []


@pytest.mark.parametrize("n", [1, 2, 3, 20, 59, 60, 301])
def test_the_point_is_numpy_s_median_unbiased_one_to_the_last_bit(n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.normal(300, 50, n), np.round(rng.normal(30, 5, n))):
        ordered = np.sort(values)
        for p in (0.01, 0.3333, 0.5, 0.95, 0.99):
            wanted = float(np.quantile(ordered, p, method="median_unbiased"))
            assert quantiles._point(ordered, p) == wanted
