import math

import pytest

from pipelines.face.visemes import REACH_MS, Phone, blend, shapes, spread, visemes_of


def test_phones_that_look_alike_share_a_viseme():
    assert visemes_of("p") == visemes_of("b") == visemes_of("m") == ("lips",)


def test_stress_marks_are_not_seen_and_a_pause_is_rest():
    assert visemes_of("ˈɑː") == ("ah",)
    assert visemes_of("") == visemes_of("_:") == ("rest",)


def test_a_diphthong_moves_from_one_shape_to_another():
    assert visemes_of("oʊ") == ("oh", "kiss")
    track = spread([Phone("aɪ", 100, 200)])
    assert [(a, b) for _, a, b in track] == [(100, 150), (150, 200)]
    assert [shape for shape, _, _ in track] == [shapes()["ah"], shapes()["ee"]]


def test_a_phone_that_nobody_knows_opens_the_mouth_half():
    assert visemes_of("ʘ") == ("eh",)


def test_a_lone_phone_has_its_own_shape_wherever_it_reaches():
    track = spread([Phone("ɑː", 100, 200)])
    for t_ms in (60, 150, 240):
        assert blend(track, t_ms).open == pytest.approx(shapes()["ah"].open)


def test_far_from_any_phone_the_lips_rest():
    assert blend(spread([Phone("ɑː", 100, 200)]), 2000) == shapes()["rest"]
    assert blend([], 0) == shapes()["rest"]


def test_two_neighbours_of_one_weight_meet_half_way_at_their_border():
    track = spread([Phone("æ", 0, 100), Phone("iː", 100, 200)])  # both weigh 1.2
    ah, ee = shapes()["ah"], shapes()["ee"]
    assert blend(track, 100).open == pytest.approx((ah.open + ee.open) / 2)


def test_a_neighbour_pulls_by_its_weight_and_its_distance():
    track = spread([Phone("æ", 0, 100), Phone("m", 100, 160)])
    ah, lips = shapes()["ah"], shapes()["lips"]
    pull = lips.weight * math.exp(-REACH_MS / REACH_MS)
    expected = (ah.weight * ah.open + pull * lips.open) / (ah.weight + pull)
    assert blend(track, 100 - REACH_MS).open == pytest.approx(expected)


def test_lips_close_for_an_m_between_two_vowels_and_open_again():
    track = spread([Phone("æ", 0, 120), Phone("m", 120, 200), Phone("æ", 200, 320)])
    vowel, closed, again = (blend(track, t).open for t in (20, 160, 300))
    assert closed < 0.3 * vowel
    assert again == pytest.approx(vowel)
