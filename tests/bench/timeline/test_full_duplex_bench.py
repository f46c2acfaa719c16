"""Full-Duplex-Bench's definitions on times written by hand: takeover, latency, stops, responses."""

import math

import pytest

from bench.timeline.full_duplex_bench.v1 import (
    Backchannels,
    Word,
    backchannels,
    jsd,
    latency_s,
    takes_turn,
)
from bench.timeline.full_duplex_bench.v15 import merged, responses, stops


def said(*times):
    return [Word(start, end) for start, end in times]


@pytest.mark.parametrize(
    ("words", "took"),
    [
        ([], False),
        (said((0.3, 0.5), (0.6, 0.8), (1.0, 1.29)), False),  # 0.99 s, three words
        (said((0.3, 0.5), (0.6, 0.8), (1.0, 1.3)), True),  # exactly 1 s
        (said((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 0.7)), True),  # four words in 0.4 s
        (said((5.0, 6.0)), True),
        ([Word(0.3, 0.5), Word(1.2, None)], False),  # the last word's start stands for its end
    ],
)
def test_a_turn_is_taken_by_a_second_of_words_or_by_four_of_them(words, took):
    assert takes_turn(words) is took


def test_a_negative_latency_is_clamped_to_0_and_without_a_turn_there_is_none():
    words = said((2.0, 2.4), (2.5, 3.2))
    assert latency_s(words, 1.75) == 0.25
    assert latency_s(words, 2.6) == 0.0
    assert latency_s(said((2.0, 2.4)), 1.0) is None


def test_an_early_backchannel_makes_the_latency_of_a_later_answer_0():
    words = said((1.0, 1.2), (4.0, 4.4), (4.5, 5.5))
    assert latency_s(words, 3.0) == 0.0


def test_a_short_stretch_with_two_words_is_a_backchannel_and_a_longer_one_forgets_those_before():
    short, later = (1.0, 1.6), (8.0, 8.4)
    words = said((1.05, 1.3), (1.35, 1.6))
    assert backchannels([short, later], words) == Backchannels(False, (short, later))
    long = (4.0, 5.0)
    assert backchannels([short, long, later], words) == Backchannels(False, (later,))
    assert backchannels([short, long], words) == Backchannels(True, ())


def test_three_words_in_a_short_stretch_take_the_turn():
    words = said((0.9, 1.1), (1.2, 1.4), (1.5, 1.9))  # the outer two lie over its ends
    assert backchannels([(1.0, 1.6)], words) == Backchannels(True, ())


def test_a_stretch_of_over_3_s_ends_the_search_and_keeps_what_was_found_before_it():
    stretches = [(1.0, 1.6), (4.0, 7.1), (9.0, 9.5)]
    assert backchannels(stretches, []) == Backchannels(True, ((1.0, 1.6),))


def test_the_divergence_is_0_for_people_s_own_timing_and_1_without_a_backchannel():
    people = [0.0, 0.5, 0.5, 0.0, 0.0, 0.0]  # 1.0 s: six bins, as the script counts them
    assert jsd([(0.2, 0.4)], 1.0, people) == pytest.approx(0, abs=1e-4)
    assert jsd([], 1.0, people) == 1.0
    apart = [0.0, 0.0, 0.0, 0.0, 0.5, 0.5]
    assert jsd([(0.2, 0.4)], 1.0, apart) == pytest.approx(math.sqrt(math.log(2)), abs=1e-4)


def test_stretches_are_joined_over_gaps_up_to_the_limit():
    assert merged([(3.0, 4.0), (0.0, 1.0), (1.5, 2.0)], 0.5) == [(0.0, 2.0), (3.0, 4.0)]


def test_every_time_in_which_both_spoke_is_a_stop_whatever_ended_it():
    user, agent = [(0.0, 2.0), (4.0, 5.0)], [(1.8, 4.35), (4.7, 6.0)]
    assert stops(user, agent) == [(1.8, 2.0), (4.0, 4.35), (4.7, 5.0)]


def test_an_answer_before_the_user_s_end_is_passed_over_for_the_next_stretch():
    user, agent = [(0.0, 2.0)], [(1.9, 4.0), (9.5, 10.0)]
    assert responses(user, agent) == [(2.0, 9.5)]


def test_two_ends_of_the_user_before_one_answer_count_once_from_the_later():
    assert responses([(0.0, 1.0), (3.0, 4.0)], [(4.25, 5.0)]) == [(4.0, 4.25)]
