"""Medians of times of which some were cut short, against a textbook's and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.quantiles import Estimate, quantile
from bench.stats.survival import km_median

# Remission of 21 patients on 6-MP, weeks (Freireich et al. 1963), as in every textbook.
SEEN = [6.0, 6, 6, 7, 10, 13, 16, 22, 23]
CENSORED = [6.0, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def test_the_textbooks_median_is_23_weeks_from_13_on_with_no_upper_end() -> None:
    assert km_median(SEEN, CENSORED) == Estimate(23.0, 21, 13.0, None, 20)


def test_a_median_that_is_not_reached_is_null_not_the_longest_wait() -> None:
    found = km_median([300.0] * 9, [2000.0] * 16)
    assert (found.value, found.n, found.high) == (None, 25, None)


def test_what_was_cut_short_before_the_first_event_moves_nothing() -> None:
    # By hand: 4 at risk when the first is seen, 3/4, 2/4: the median is the second, 20.
    assert km_median([10.0, 20.0, 30.0, 40.0], [1.0, 2.0]).value == 20.0


def test_what_was_cut_short_later_moves_the_median_up() -> None:
    # By hand: 3/4 at 10, one leaves at 15, then 3/4 · 1/2 = 3/8 at 20.
    assert km_median([10.0, 20.0, 40.0], [15.0]).value == 20.0
    # 3/4 at 10, one leaves at 25, 3/4 · 2/3 is not reached before; 1/2 at 20 of four.
    assert km_median([10.0, 20.0, 30.0], [25.0]).value == 20.0
    # 2/3 at 10; one leaves; 0 at 30: the median is 30, though the middle of the times is 20.
    assert km_median([10.0, 30.0], [20.0]).value == 30.0


def test_times_that_are_all_the_same_are_their_own_interval() -> None:
    assert km_median([300.0] * 20, []) == Estimate(300.0, 20, 300.0, 300.0, 20)


def test_under_twenty_there_is_a_median_and_no_interval() -> None:
    assert km_median([1.0, 2.0, 3.0], []) == Estimate(2.0, 3, need=20)


def test_of_times_that_were_all_cut_short_nothing_is_known() -> None:
    assert km_median([], [5.0] * 30) == Estimate(None, 30, need=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=20, max_size=80))
def test_without_censoring_it_is_the_lower_median_of_the_values(times: list[int]) -> None:
    found = km_median([float(t) for t in times], [])
    assert found.value == sorted(times)[(len(times) - 1) // 2]
    assert found.low is not None and found.low <= found.value
    assert found.high is None or found.high >= found.value


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cutting_times_short_never_lowers_the_median(data: st.DataObject) -> None:
    times = data.draw(st.lists(st.floats(1, 5000), min_size=5, max_size=40))
    cut = data.draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    # Cut short at the moment at which they would have ended.
    seen = [t for t, short in zip(times, cut, strict=True) if not short]
    censored = [t for t, short in zip(times, cut, strict=True) if short]
    whole, found = km_median(times, []).value, km_median(seen, censored).value
    assert whole is not None
    assert found is None or found >= whole


def test_its_interval_is_about_that_of_order_statistics_where_nothing_is_cut_short() -> None:
    values = np.random.default_rng(5).lognormal(6, 0.4, 50).tolist()
    by_order, by_curve = quantile(values, 0.5), km_median(values, [])
    assert by_curve.low == pytest.approx(by_order.low, rel=0.1)
    assert by_curve.high == pytest.approx(by_order.high, rel=0.1)
