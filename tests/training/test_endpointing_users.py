"""The simulated users of the end-of-turn model: where they pause, and what is heard of them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bench.endpointing.turns import turns_of
from bench.fixtures.library import select
from training.creature_llm.corpus import normal
from training.endpointing.sentences import (
    SEVERAL_CLAUSES,
    has_clauses,
    is_held_out,
    pause_odds,
    said,
)
from training.endpointing.simulate import Word, as_heard, utterance

FEW = 2000
"""Sentences that a test draws."""


def test_a_pause_is_likeliest_between_clauses_and_then_before_a_place() -> None:
    words = ["take", "the", "cup", "to", "the", "table", "and", "come", "back"]
    assert pause_odds(words) == [0.07, 0.07, 0.14, 0.07, 0.07, 0.35, 0.07, 0.07]


@pytest.mark.parametrize(
    ("sentence", "several"),
    [
        ("take the cup to the table and come back", True),
        ("open the box and come", False),
        ("and then take the cup to the table", False),
        ("please take the green cup from the old shelf", False),
    ],
)
def test_several_things_are_asked_for_by_a_long_sentence_with_a_join_in_it(
    sentence: str, several: bool
) -> None:
    assert has_clauses(sentence) is several


def test_sentences_of_several_clauses_have_their_share() -> None:
    found = said(FEW)
    several = sum(often for text, often in found.items() if has_clauses(text))
    assert several / sum(found.values()) == pytest.approx(SEVERAL_CLAUSES)


def test_no_sentence_of_a_fixture_is_said_by_a_user_of_the_training() -> None:
    fixtures = {normal(turn.text) for turn in turns_of(select("all"))}
    assert fixtures and not fixtures & set(said(FEW))


def test_voices_and_sentences_for_judging_are_a_part_of_their_own() -> None:
    held_out = [text for text in said(FEW) if is_held_out(text)]
    assert FEW / 8 < len(held_out) < FEW / 4


def test_a_user_is_silent_where_it_is_labelled_and_its_words_end_there() -> None:
    rng = random.Random(3)
    text = "take the green cup to the table and then come back to me"
    pcm, stretches, words = utterance(text, rng, False)
    assert [word.text for word in words] == text.split()
    assert [s.over for s in stretches] == [False] * (len(stretches) - 1) + [True]
    assert stretches[-1].said == text
    loud = np.abs(pcm).max()
    for stretch in stretches:
        assert np.abs(pcm[stretch.start + 800 : stretch.end]).max() < loud / 10
        (last,) = [w for w in words if w.last and w.end == stretch.start]
        assert last.text == stretch.said.split()[-1]
    assert sum(word.last for word in words) == len(stretches)


def test_a_recogniser_that_errs_in_nothing_knows_every_word_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.endpointing.simulate.WRONG", 0.0)
    words = [Word("go", 8000, False), Word("home", 16000, True)]
    known = as_heard(words, ["no"], random.Random(1))
    assert [text for _, text in known] == ["go", "go home"]
    assert known[0][0] < known[1][0]


def test_it_takes_a_known_share_of_the_words_for_others() -> None:
    words = [Word("go", 1600 * i, False) for i in range(1, 4001)]
    heard = as_heard(words, ["no"], random.Random(1))[-1][1].split()
    assert heard.count("no") / 4000 == pytest.approx(0.05, abs=0.01)
