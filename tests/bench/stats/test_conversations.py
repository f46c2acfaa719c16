"""Intervals of turns that lie in conversations, on numbers whose answer is known."""

from itertools import product
from statistics import median_low

import numpy as np
import pytest

from bench.stats import conversations
from bench.stats.conversations import (
    effective_n,
    quantile_of_turns,
    rate_of_turns,
    resampled_median,
)
from bench.stats.quantiles import Key, quantile, rate

ALIKE = [[float(c)] * 4 for c in range(1, 6)]
"""Five conversations whose turns are all alike: 1, 2, 3, 4, 5."""
UNEVEN = [[3.0, 9.0, 1.0], [5.0], [2.0, 8.0], [7.0, 4.0, 6.0, 10.0, 11.0], [12.0, 0.5]]


def turns(conversations: list[list[float]]) -> list[tuple[Key, float]]:
    return [((f"f{c}", i), x) for c, of in enumerate(conversations) for i, x in enumerate(of)]


def test_where_each_turn_is_a_conversation_the_interval_is_that_of_order_statistics() -> None:
    values = [((f"f{i}", 0), float(i)) for i in range(25)]
    found, known = quantile_of_turns(values, 0.5), quantile([float(i) for i in range(25)], 0.5)
    assert (found.value, found.low, found.high) == (known.value, known.low, known.high)
    assert (found.n, found.n_conversations, found.method) == (25, 25, "turns")


def test_the_median_of_resampled_conversations_is_bounded_as_counted_by_hand() -> None:
    # The median of five draws from 1 to 5 is at most 1, 2, 3, 4 with 5.8, 31.7, 68.3, 94.2 %;
    # half of confidence with 4 degrees of freedom leaves 20.4 % on each side.
    assert resampled_median(ALIKE, 0.5) == (2.0, 4.0)
    assert resampled_median(ALIKE) == (1.0, 5.0)


@pytest.mark.parametrize("confidence", [0.3, 0.5, 0.8])
def test_the_computed_distribution_is_that_of_all_3125_resamples(confidence: float) -> None:
    from bench.stats.conversations import _expanded_tail

    resamples = [[x for i in drawn for x in UNEVEN[i]] for drawn in product(range(5), repeat=5)]
    tail = _expanded_tail(5, confidence)
    medians = sorted(median_low(of) for of in resamples)

    def share(x: float) -> float:  # a tie of turns counts half
        ties = [sum(v <= x for v in of) * 2 - len(of) for of in resamples]
        return sum(1.0 if t > 0 else 0.5 if t == 0 else 0.0 for t in ties) / len(ties)

    values = sorted(x for of in UNEVEN for x in of)
    low = next(x for x in values if share(x) > tail)
    high = next(x for x in values if share(x) >= 1 - tail)
    assert resampled_median(UNEVEN, confidence) == (low, high)
    assert medians[0] <= low <= high <= medians[-1]


def test_turns_of_a_few_conversations_have_an_interval_that_says_it_is_of_the_turns() -> None:
    found = quantile_of_turns(turns([[float(i + 6 * c) for i in range(6)] for c in range(4)]), 0.5)
    assert (found.n, found.n_conversations, found.method) == (24, 4, "few conversations")
    assert (found.low, found.high) == (6.0, 17.0)  # of 24 independent values


def test_24_turns_of_6_conversations_that_differ_have_a_wider_interval_than_24_turns() -> None:
    apart = [[100.0 * c + i for i in range(4)] for c in range(6)]
    found = quantile_of_turns(turns(apart), 0.5)
    alone = quantile([x for of in apart for x in of], 0.5)
    assert (found.n, found.n_conversations, found.method) == (24, 6, "conversations")
    assert found.value == alone.value == 251.5
    assert (alone.low, alone.high) == (102.0, 401.0)
    # With 2 as the median of a resample: 4 (a tie) of 6 draws of the first conversation, 0.47 %;
    # what is cut off is 0.24 % on each side.
    assert (found.low, found.high) == (2.0, 501.0)


def test_conversations_that_are_alike_don_t_make_the_interval_narrower_than_their_turns() -> None:
    alike = [[float(i), float(i + 6), float(i + 12), float(i + 18)] for i in range(6)]
    found = quantile_of_turns(turns(alike), 0.5)
    alone = quantile([x for of in alike for x in of], 0.5)
    assert (found.low, found.high) == (alone.low, alone.high) == (6.0, 17.0)


def test_fewer_than_20_turns_have_no_interval_however_many_conversations() -> None:
    found = quantile_of_turns(turns([[1.0, 2.0, 3.0]] * 6), 0.5)
    assert (found.n, found.low, found.high) == (18, None, None)
    assert found.insufficient == "insufficient n (18, 20)"


def test_a_tail_counts_conversations_and_not_turns() -> None:
    few = quantile_of_turns(turns([[1.0, 2.0, 3.0]] * 20), 0.95)
    assert (few.value, few.insufficient) == (None, "insufficient n (20, 59)")
    many = quantile_of_turns(turns([[float(c), 1000.0 + c] for c in range(93)]), 0.95)
    # Of 93 independent values the second largest bounds p95: the same share of 186 turns.
    assert (many.n, many.n_conversations, many.high) == (186, 93, 1090.0)


def test_a_turns_repeats_count_once_in_its_conversation() -> None:
    values = turns([[100.0 * c + i for i in range(4)] for c in range(6)])
    assert quantile_of_turns(values * 3, 0.5) == quantile_of_turns(values, 0.5)


def test_turns_that_hit_alike_within_each_conversation_count_as_few() -> None:
    split = [[1.0] * 4, [0.0] * 4] * 3
    assert effective_n(split) == pytest.approx(5 * (2.0687 / 2.5706) ** 2, abs=1e-3)
    even = [[1.0, 0.0, 1.0, 0.0]] * 6
    assert effective_n(even) == pytest.approx(24 * (2.0687 / 2.5706) ** 2, abs=1e-3)


def test_a_rate_over_conversations_is_wider_than_over_turns() -> None:
    hits = [(key, bool(x)) for key, x in turns([[1.0] * 4, [0.0] * 4] * 3)]
    found, alone = rate_of_turns(hits), rate(12, 24)
    assert (found.value, found.n, found.n_conversations) == (0.5, 24, 6)
    assert found.low is not None and alone.low is not None and found.low < alone.low - 0.2
    assert rate_of_turns([(key, True) for key, _ in hits]).high == 1.0


def test_one_failure_among_repeats_is_not_outvoted() -> None:
    hits = [(("f", 0), True), (("f", 0), True), (("f", 0), False), (("g", 0), True)]
    found = rate_of_turns(hits)
    assert found.n == 2
    assert found.value == pytest.approx((2 / 3 + 1) / 2)


def test_repeats_of_25_turns_leave_the_interval_of_25() -> None:
    hits = [((f"f{i}", 0), i != 3) for i in range(25)]
    found, known = rate_of_turns(hits), rate(24, 25)
    assert rate_of_turns(hits * 3) == found
    assert (found.value, found.n, found.low, found.high) == (0.96, 25, known.low, known.high)


def test_the_bounds_are_the_first_of_all_values_that_pass_wherever_the_search_begins() -> None:
    rng = np.random.default_rng(7)
    for n in (5, 8, 30):
        turns = np.round(rng.normal(300, 40, 4 * n), int(rng.integers(0, 2)))
        of = np.repeat(np.arange(n), 4)
        sizes, ordered = np.full(n, 4), np.sort(turns)
        by_value = of[np.argsort(turns, kind="stable")]
        shares = [conversations._share_below(ordered, by_value, sizes, x) for x in ordered]
        tail = conversations._expanded_tail(n, 0.95)
        low = next(x for x, share in zip(ordered, shares, strict=True) if share > tail)
        high = next(x for x, share in zip(ordered, shares, strict=True) if share >= 1 - tail)
        assert conversations._median_bounds(turns, of, sizes, 0.95) == (low, high)
