"""Dialogues on two channels: timing in frames, the text stream, and the channel's faults."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bench.store.expectation import Expectation, judge
from training.nano_duplex import room, simulate
from training.nano_duplex.dialogue import Dialogue, Turn
from training.nano_duplex.simulate import Simulator
from training.nano_duplex.vocabulary import EOS, FIRST_WORD, PAD, word_ids

FRAME = 1920


@pytest.fixture
def some(forty_dialogues) -> list[Dialogue]:
    return forty_dialogues


def answered(dialogues: list[Dialogue]) -> list[tuple[Dialogue, Turn]]:
    return [(d, turn) for d in dialogues for turn in d.turns if turn.agent_frames]


def utterance(dialogue: Dialogue, turn: Turn) -> list[int]:
    """The text ids of an answer, from its first word on."""
    begin, end = turn.agent_frames
    return [int(i) for i in dialogue.text[begin - simulate.TEXT_LEAD : end] if i != PAD]


def test_the_same_seed_makes_the_same_dialogue(tones):
    one, two = (Simulator(random.Random(3)).dialogue() for _ in range(2))
    assert np.array_equal(one.user, two.user) and one.record() == two.record()


def test_both_channels_and_the_text_are_whole_frames_of_20_s_or_more(some):
    for dialogue in some:
        assert dialogue.user.size == dialogue.agent.size == dialogue.text.size * FRAME
        assert 20 <= dialogue.text.size * 0.08 < 70


def test_a_person_hears_the_answer_260_to_420_ms_after_the_last_phone(some):
    # The last phone ends inside the user's last frame, so 160 ms of floor and 100 to 260 more.
    gaps = {turn.agent_frames[0] - turn.user_frames[1] for _, turn in answered(some)}
    assert gaps == {1, 2, 3}


def test_an_answer_that_nobody_cuts_is_its_words_and_then_the_end(some):
    whole = [(d, turn) for d, turn in answered(some) if not turn.cut]
    assert len(whole) > 100
    for dialogue, turn in whole:
        words = [word_ids()[word] for word in turn.agent.split()]
        assert utterance(dialogue, turn) == [*words, EOS]
        assert dialogue.text[turn.agent_frames[1] - 1] == EOS


def test_a_word_stands_two_frames_before_its_first_phone(some):
    for dialogue, turn in answered(some)[:50]:
        begin = turn.agent_frames[0]
        # The tone's words last 0.2 s and begin 20 ms in: sample 480, 5280, 10080 …
        for i in range(2):
            if not turn.cut and len(turn.agent.split()) > i:
                frame = begin + (480 + i * 4800) // FRAME - 2
                assert dialogue.text[frame] == word_ids()[turn.agent.split()[i]]


def test_an_interrupted_answer_ends_120_to_280_ms_after_the_users_onset(some):
    cut = [(d, i, t) for d in some for i, t in enumerate(d.turns) if t.cut]
    assert len(cut) > 10
    for dialogue, i, turn in cut:
        by = dialogue.turns[i + 1]
        assert by.kind in ("interruption", "overlap")
        silent = turn.agent_frames[1]
        assert 1 <= silent - by.user_frames[0] <= 4
        assert dialogue.text[silent - 1] == EOS
        said = utterance(dialogue, turn)
        assert said[-1] == EOS and all(word >= FIRST_WORD for word in said[:-1])
        assert len(said) <= len(turn.agent.split()) + 1
        assert not dialogue.agent[silent * FRAME : by.agent_frames[0] * FRAME].any()


def test_the_agent_speaks_on_over_backchannels_coughs_and_side_talk(some):
    over = 0
    for dialogue in some:
        for before, turn in zip(dialogue.turns, dialogue.turns[1:], strict=False):
            if turn.kind in ("backchannel", "cough", "side_talk"):
                assert turn.agent_frames is None and turn.expect["respond"] is False
                if before.agent_frames and turn.user_frames[1] < before.agent_frames[1]:
                    at = turn.user_frames[1]
                    assert dialogue.agent[at * FRAME : (at + 1) * FRAME].any()
                    over += 1
    assert over > 10


def test_a_list_is_told_to_its_end_whatever_is_heard_meanwhile(some):
    lists = [(d, i, t) for d in some for i, t in enumerate(d.turns) if t.kind == "list"]
    assert len(lists) > 10
    murmured = 0
    for dialogue, i, turn in lists:
        assert not turn.cut
        words = [word_ids()[word] for word in turn.agent.split()]
        assert utterance(dialogue, turn) == [*words, EOS] and len(words) > 8
        for later in dialogue.turns[i + 1 :]:
            if later.user_frames[0] < turn.agent_frames[1]:
                assert later.kind in ("backchannel", "cough", "side_talk")
                murmured += 1
    assert murmured > 5


def test_an_overlap_begins_in_an_answer_and_is_answered(some):
    overlaps = [(d.turns[i - 1], t) for d in some for i, t in enumerate(d.turns)
                if t.kind == "overlap"]  # fmt: skip
    assert len(overlaps) > 5
    for before, turn in overlaps:
        # As heard, two frames later than in the model's own time; its last frame is rounded up.
        assert turn.user_frames[0] <= before.agent_frames[1] + 2
        assert turn.agent and turn.agent_frames[0] > max(
            turn.user_frames[1], before.agent_frames[1]
        )
        assert before.cut == (before.agent_frames[1] - turn.user_frames[0] in (1, 2, 3, 4)) or (
            not before.cut and before.agent_frames[1] <= turn.user_frames[0] + 4
        )
    assert {before.cut for before, _ in overlaps} == {True, False}


def test_short_answers_are_murmured_over_too(some):
    over = [
        (before, turn) for d in some for before, turn in zip(d.turns, d.turns[1:], strict=False)
        if turn.kind == "backchannel" and before.agent_frames
        and turn.user_frames[0] < before.agent_frames[1]
    ]  # fmt: skip
    short = [before for before, _ in over if len(before.agent.split()) < 10]
    assert len(short) > 3 and not any(before.cut for before in short)
    assert {len(turn.user.split()) for _, turn in over} >= {1, 2}


def test_in_a_labelled_pause_the_agent_is_silent_and_writes_nothing(some):
    pauses = 0
    for dialogue, turn in answered(some):
        for start, end in turn.pauses:
            assert turn.user_frames[0] < start < end < turn.user_frames[1]
            assert not dialogue.agent[start * FRAME : end * FRAME].any()
            assert not (dialogue.text[start:end] != PAD).any()
            pauses += 1
    assert pauses > 20


def test_every_record_holds_the_expectation_that_its_answer_meets(some):
    for _, turn in answered(some):
        table = {**turn.expect, "slots": {k: list(v) for k, v in turn.expect["slots"].items()}}
        assert judge(Expectation.from_table(table), turn.agent).right


def test_the_users_words_are_in_order_with_the_frames_they_touch(some):
    for dialogue in some:
        spoken = [word for t in dialogue.turns if t.kind != "cough" for word in t.user.split()]
        assert [word for word, _, _ in dialogue.words] == spoken
        # 0.2 s at any place touches three or four frames.
        assert {end - start for _, start, end in dialogue.words} <= {3, 4}


def test_an_echo_comes_later_than_the_floor_and_20_to_40_db_softer(monkeypatch):
    for name in ("NOISE_SHARE", "REVERB_SHARE", "PHONE_SHARE"):
        monkeypatch.setattr(room, name, 0.0)
    monkeypatch.setattr(room, "ECHO_SHARE", 1.0)
    agent = np.zeros(24_000)
    agent[100] = 0.5
    heard = room.heard_by_model(np.zeros(24_000), agent, random.Random(1))
    (at,) = np.flatnonzero(heard)
    assert 3840 <= at - 100 <= 6240
    assert -40 <= 20 * np.log10(heard[at] / 0.5) <= -20


def test_reverberation_keeps_the_direct_sound_where_it_was():
    dry = np.zeros(4800)
    dry[10] = 1.0
    wet = room.reverberated(dry, 0.1, 0.3, np.random.default_rng(1))
    assert wet[10] == pytest.approx(1.0)
    assert np.abs(wet[11:106]).max() < 1e-9  # nothing comes back within 4 ms
    assert np.sum(wet[106:] ** 2) == pytest.approx(0.3**2, rel=1e-6)
