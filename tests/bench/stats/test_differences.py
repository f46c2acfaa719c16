"""Paired differences: worked out on paper, against scipy, and by what must always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.differences import Shift, holm, share_difference, typical

differences = st.lists(st.floats(-1e4, 1e4).map(lambda x: round(x, 3)), min_size=20, max_size=60)
levels = st.sampled_from([0.5, 0.1, 0.05, 0.01, 0.001])


def test_the_typical_difference_is_the_median_of_all_pairs_means() -> None:
    # 0, 1, 9: the means of all pairs are 0, 0.5, 1, 4.5, 5, 9; their median is 2.75.
    assert typical([0.0, 1.0, 9.0]) == Shift(2.75, 3)


def test_of_twenty_the_interval_ends_at_the_53rd_mean_from_either_end() -> None:
    # Textbooks' table of Wilcoxon's test, n = 20, two-sided 5 %: at most 52.
    d = [float(2**i) for i in range(20)]
    means = sorted((a + b) / 2 for i, a in enumerate(d) for b in d[i:])
    found = typical(d)
    assert (found.low, found.high) == (means[52], means[210 - 53])


@pytest.mark.parametrize(("n", "at_most"), [(25, 89), (30, 137), (50, 434)])
def test_the_other_rows_of_the_textbooks_table(n: int, at_most: int) -> None:
    d = np.random.default_rng(n).normal(0, 1, n)
    i, j = np.triu_indices(n)
    assert typical(d.tolist()).low == np.sort((d[i] + d[j]) / 2)[at_most]


@pytest.mark.parametrize("n", [20, 33, 50])
def test_its_p_is_that_of_wilcoxons_exact_test(n: int) -> None:
    from scipy.stats import wilcoxon

    d = np.random.default_rng(n).normal(0.3, 1, n)
    assert typical(d.tolist()).p == pytest.approx(wilcoxon(d, method="exact").pvalue)


def test_beyond_a_hundred_its_p_is_the_normal_ones_within_a_hair() -> None:
    from scipy.stats import wilcoxon

    d = np.random.default_rng(0).normal(0.1, 1, 150)
    theirs = wilcoxon(d, method="approx", correction=True).pvalue
    assert typical(d.tolist()).p == pytest.approx(theirs, rel=1e-6)


def test_the_same_run_twice_differs_by_nothing_at_all() -> None:
    assert typical([0.0] * 25) == Shift(0.0, 25, 0.0, 0.0, 1.0, 0.0)


def test_one_huge_difference_of_25_moves_the_typical_one_a_little() -> None:
    d = [float(i % 5) for i in range(24)]
    here, there = typical([*d, 4.0]), typical([*d, 3000.0])
    assert here.value is not None and there.value is not None
    assert 0 <= there.value - here.value <= 0.5


def test_under_twenty_there_is_no_interval_but_a_spread_to_plan_with() -> None:
    found = typical([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    assert (found.value, found.low, found.high, found.p) == (4.5, None, None, None)
    assert found.spread is not None and found.spread > 0
    assert typical([1.0, 2.0]).spread is None
    assert typical([]) == Shift(None, 0)


def test_the_n_that_is_needed_grows_with_the_square_of_what_is_too_small_to_see() -> None:
    # z = 1.96 + 0.84 = 2.80; a standard error of 10 at n = 30 and an effect of 28 need 30.
    found = Shift(0.0, 30, spread=10.0)
    assert found.needed(28.016, 0.05) == 30
    assert found.needed(14.008, 0.05) == 120
    assert found.needed(-14.008, 0.05) == 120
    assert found.needed(1000.0, 0.05) == 20
    assert Shift(0.0, 3).needed(30, 0.05) is None


@settings(max_examples=80, deadline=None)
@given(differences, levels)
def test_the_interval_leaves_zero_out_exactly_where_p_is_at_most_the_level(
    d: list[float], level: float
) -> None:
    found = typical(d, 1 - level)
    assert found.low is not None and found.high is not None and found.p is not None
    assert (found.low > 0 or found.high < 0) == (found.p <= level)


@settings(max_examples=80, deadline=None)
@given(differences, st.integers(-5000, 5000))
def test_a_shift_of_all_differences_shifts_the_interval_and_a_sign_turns_it_round(
    d: list[float], by: int
) -> None:
    here, there, back = typical(d), typical([x + by for x in d]), typical([-x for x in d])
    for field in ("value", "low", "high"):
        assert getattr(there, field) == pytest.approx(getattr(here, field) + by, abs=1e-6)
    assert (back.low, back.high, back.p) == (-(here.high or 0), -(here.low or 0), here.p)


def test_a_share_that_fell_in_5_of_50_conversations_and_rose_in_1() -> None:
    # Bonett & Price by hand: (2 + 1)/... with n + 2 = 52: −6/52 and +2/52, mean −4/52 = −0.0769;
    # mean of squares 8/52, variance 0.15385 − 0.00592 = 0.14793; error √(0.14793/52) = 0.05334.
    found = share_difference([-1.0] * 5 + [1.0] + [0.0] * 44)
    assert found.value == pytest.approx(-0.08)
    assert found.low == pytest.approx(-0.0769 - 1.96 * 0.05334, abs=2e-4)
    assert found.high == pytest.approx(-0.0769 + 1.96 * 0.05334, abs=2e-4)


def test_shares_that_never_differ_are_not_certain_to_be_the_same() -> None:
    found = share_difference([0.0] * 25)
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.low == pytest.approx(-(found.high or 0))
    assert found.high == pytest.approx(1.96 * (2 / 27) ** 0.5 / 27**0.5, abs=1e-4)


def test_what_is_no_difference_of_shares_is_refused() -> None:
    with pytest.raises(ValueError, match="−1 and 1"):
        share_difference([2.0] * 30)


def test_holm_by_hand() -> None:
    # 4 tests: 0.01 ≤ 0.0125 yes; 0.015 ≤ 0.0167 yes; 0.03 ≤ 0.025 no; 0.04 stops with it.
    found = holm([0.03, 0.01, 0.04, 0.015])
    assert [t.rejected for t in found] == [False, True, False, True]
    assert [t.level for t in found] == pytest.approx([0.025, 0.0125, 0.025, 0.05 / 3])
    assert [t.adjusted for t in found] == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert holm([]) == []


@settings(max_examples=200)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_exactly_where_p_is_at_most_its_level_and_adjusted_at_most_alpha(
    p_values: list[float],
) -> None:
    for p, tested in zip(p_values, holm(p_values), strict=True):
        assert tested.rejected == (p <= tested.level)
        assert tested.adjusted >= p
        if abs(tested.adjusted - 0.05) > 1e-12:
            assert tested.rejected == (tested.adjusted <= 0.05)
