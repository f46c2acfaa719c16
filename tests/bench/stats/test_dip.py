"""The dip and its test, against values that another implementation gives for the same data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.dip import CRITICAL_1_PERCENT, MIN_N, dip, rejects_one_mode
from bench.stats.trend import BLOCKS, Slope, theil_sen

EVEN = np.arange(1, 101) / 101
GOLDEN = (np.arange(50) * 0.618033988749895) % 1

# As computed by the package diptest 0.12, which wraps the C code of R's diptest.
REFERENCE = {
    "two uniforms apart": (np.concatenate((EVEN, 3 + EVEN)), 0.1683168316831683),
    "a growing density": (np.sqrt(EVEN), 0.005),
    "the golden sequence": (GOLDEN, 0.020882505650237207),
    "two heaps that touch": (np.concatenate((GOLDEN**2, 2 - GOLDEN**2)), 0.08251301408199913),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_the_dip_is_that_of_the_reference(name):
    values, wanted = REFERENCE[name]
    assert dip(values) == pytest.approx(wanted, abs=1e-9)


def test_the_least_and_the_largest_dip():
    assert (dip([1.0]), dip([1.0, 2.0])) == (0.5, 0.25)
    assert dip(EVEN) == pytest.approx(1 / 200)
    assert dip([0.0] * 50 + [1.0] * 50) == pytest.approx(1 / 4)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=60, unique=True), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_dip_knows_no_unit_no_order_and_no_direction(values, scale):
    found = dip(values)
    assert 1 / (2 * len(values)) - 1e-12 <= found <= 0.25
    assert dip([scale * v + 7 for v in reversed(values)]) == pytest.approx(found)
    assert dip([-v for v in values]) == pytest.approx(found)


def test_one_mode_is_rejected_in_about_1_percent_of_uniform_samples():
    rng = np.random.default_rng(4)
    assert sum(bool(rejects_one_mode(rng.random(100))) for _ in range(1000)) <= 20
    assert not any(rejects_one_mode(rng.normal(size=200)) for _ in range(100))


def test_two_modes_are_seen_and_few_values_are_refused():
    rng = np.random.default_rng(5)
    two = np.concatenate((rng.normal(50, 1, 150), rng.normal(58, 1, 50)))
    assert rejects_one_mode(two) is True
    assert rejects_one_mode(two[: MIN_N - 1]) is None
    assert rejects_one_mode(rng.normal(size=max(CRITICAL_1_PERCENT) + 1)) is False


def test_a_straight_line_has_its_slope_and_nothing_else():
    t = np.arange(0.0, 150, 0.086)
    found = theil_sen(t, 3.5 * t - 7)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((3.5, 3.5, 3.5))
    assert found.excludes(1.0) and not found.excludes(4.0)


def test_a_few_stalls_do_not_bend_it():
    t = np.arange(0.0, 150, 0.08)
    values = np.zeros(len(t))
    values[200:230] += 500
    found = theil_sen(t, values)
    assert found is not None and abs(found.value) < 0.01 and not found.excludes(1.0)


def test_its_interval_covers_also_where_neighbours_are_alike():
    rng, hits = np.random.default_rng(6), 0
    t = np.arange(1875.0) * 0.08
    for _ in range(200):
        noise = np.zeros(len(t))
        steps = rng.normal(size=len(t))
        for i in range(1, len(t)):  # neighbours hang together for about 0.8 s
            noise[i] = 0.9 * noise[i - 1] + steps[i]
        found = theil_sen(t, 0.5 * t + noise)
        assert found is not None
        hits += found.low <= 0.5 <= found.high
    assert hits >= 180  # 95 % meant; 90 % at the least


def test_a_slope_below_the_bound_on_either_side_is_no_ramp():
    assert Slope(-5.0, -6.0, -4.0).excludes(1.0)
    assert not Slope(2.0, 0.5, 3.0).excludes(1.0)
    assert theil_sen(np.arange(2.0 * BLOCKS - 1), np.arange(2.0 * BLOCKS - 1)) is None
