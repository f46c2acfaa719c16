"""Dialogues as duplex-nano's language model reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.nano_duplex import tokens
from training.nano_duplex.agent_codec import Encoded as Heard
from training.nano_duplex.pack import Packed
from training.nano_duplex.tokens import (
    FRAME,
    Encoded,
    encode_one,
    read_all,
    read_dialogues,
    vocabulary,
    word_frames,
    write_shard,
)


class Codec:
    """Stands in for the codec: a frame's codes are its number."""

    def encode(self, pcm):
        frames = len(pcm) // FRAME
        return Heard(
            np.repeat(np.arange(frames)[:, None], 8, 1), np.zeros((frames, 96), np.float32)
        )


class Ear:
    """Stands in for the ear: a frame's vector is its mean."""

    def hear(self, pcm):
        return np.repeat(pcm.reshape(-1, FRAME).mean(1, keepdims=True), 96, 1)


def encoded(frames: int, text: dict[int, int]) -> Encoded:
    told = np.zeros(frames, np.uint16)
    told[list(text)] = list(text.values())
    return Encoded(
        vectors=np.full((frames, 96), frames, np.float16),
        codes=np.full((frames, 8), 3, np.uint16),
        text=told,
        speaking=np.zeros(frames, bool),
        words=np.array([1, 0], np.uint16),
        ends=np.array([2, 5], np.int32),
        turns=[{"kind": "command", "pauses": []}],
    )


def dialogue_shard(path: Path) -> None:
    """Two dialogues of 3 and 2 frames; the agent is audible in frame 1 of the first alone."""
    agent = np.zeros(5 * FRAME, np.int16)
    agent[FRAME + 7] = 200
    records = [
        {"words": [["go", 0, 1], ["left", 1, 3]], "turns": [{"kind": "command"}]},
        {"words": [], "turns": []},
    ]
    np.savez(
        path,
        user=np.repeat(np.arange(5), FRAME).astype(np.int16) * 4096,
        agent=agent,
        text=np.array([0, 3, 2, 0, 0], np.uint16),
        offsets=np.array([0, 3, 5]),
        record=np.array([json.dumps(record) for record in records]),
    )


def test_dialogues_are_cut_at_their_frames_and_a_words_end_is_its_last_frame(tmp_path):
    dialogue_shard(tmp_path / "000.npz")
    first, second = read_dialogues(tmp_path / "000.npz")
    assert first.words == (("go", 0), ("left", 2))
    assert first.text.tolist() == [0, 3, 2]
    assert (len(first.user), len(second.user)) == (3 * FRAME, 2 * FRAME)
    assert second.user[0] == 3 * 4096


def test_a_dialogue_goes_through_the_codec_frame_by_frame(tmp_path):
    dialogue_shard(tmp_path / "000.npz")
    codec: Any = Codec()
    ear: Any = Ear()
    first, second = (
        encode_one(codec, ear, d, {"left": 7}) for d in read_dialogues(tmp_path / "000.npz")
    )
    assert first.vectors[:][:, 0].tolist() == [0.0, 0.125, 0.25]
    assert second.vectors[:][:, 95].tolist() == [0.375, 0.5]
    assert first.codes[:, 0].tolist() == [0, 1, 2]
    assert first.speaking.tolist() == [False, True, False]
    assert first.words.tolist() == [0, 7]  # a word that training never heard is none
    assert first.ends.tolist() == [0, 2]


def test_the_users_words_are_numbered_from_one_and_keep_their_numbers(tmp_path):
    dialogue_shard(tmp_path / "000.npz")
    kept = tmp_path / "out" / "user_words.txt"
    assert vocabulary([tmp_path / "000.npz"], None, kept) == {"go": 1, "left": 2}
    assert vocabulary([], None, kept) == {"go": 1, "left": 2}


def test_an_ear_brings_its_words_and_another_ear_wants_another_folder(tmp_path):
    kept, ear = tmp_path / "out" / "user_words.txt", tmp_path / "ear"
    ear.mkdir()
    (ear / "user_words.txt").write_text("left\nright\n", encoding="utf-8")
    assert vocabulary([], ear, kept) == {"left": 1, "right": 2}
    (ear / "user_words.txt").write_text("left\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="has other words than the ear"):
        vocabulary([], ear, kept)


def test_a_shard_comes_back_as_it_was_written(tmp_path):
    written = [encoded(4, {1: 3}), encoded(6, {2: 4})]
    write_shard(tmp_path / "000.npz", written)
    for was, now in zip(written, read_all(tmp_path), strict=True):
        assert len(now) == len(was) and now.turns == was.turns
        for name in ("vectors", "codes", "text", "speaking", "words", "ends"):
            assert np.array_equal(getattr(now, name), getattr(was, name)), name
    assert [p.name for p in tmp_path.iterdir()] == ["000.npz"]


def test_another_ear_hears_users_whose_agent_is_gone_and_takes_the_codes_from_before(
    tmp_path, monkeypatch
):
    source, first, second = (tmp_path / name / "000.npz" for name in ("sound", "one", "two"))
    for path in (source, first, second):
        path.parent.mkdir()
    dialogue_shard(source)
    monkeypatch.setattr(tokens, "_graphs", [(Codec(), Ear())])
    assert tokens._encode((str(source), str(first), str(first), {"left": 7})) == 5
    with np.load(source) as held:
        kept = {name: held[name] for name in held.files} | {"agent": np.zeros(0, np.int16)}
    np.savez(source, **kept)

    class Better(Ear):
        def hear(self, pcm):
            return 2 * super().hear(pcm)

    monkeypatch.setattr(tokens, "_graphs", [(Codec(), Better())])
    assert tokens._encode((str(source), str(second), str(first), {"left": 7})) == 5
    for one, two in zip(read_all(first.parent), read_all(second.parent), strict=True):
        assert np.array_equal(two.vectors[:], 2 * one.vectors[:]) and two.vectors[:].any()
        assert np.array_equal(two.codes, one.codes) and np.array_equal(two.text, one.text)


def test_packed_vectors_come_back_with_the_likeliest_words_alone():
    whole = np.random.default_rng(0).random((7, 96 + 40)).astype(np.float16)
    packed = Packed(whole)
    assert len(packed) == 7 and packed.shape == (7, 136)
    found = packed[2:5]
    assert np.array_equal(found[:, :96], whole[2:5, :96])
    for was, now in zip(whole[2:5, 96:], found[:, 96:], strict=True):
        kept = np.flatnonzero(now)
        assert len(kept) == 12 and np.array_equal(now[kept], was[kept])
        assert was[kept].min() >= np.delete(was, kept).max()
    narrow = whole[:, :99]
    assert np.array_equal(Packed(narrow)[:], narrow)


def test_a_shard_that_is_read_packed_is_the_same_but_for_its_unlikely_words(tmp_path):
    write_shard(tmp_path / "000.npz", [encoded(4, {1: 3}), encoded(6, {2: 4})])
    for whole, packed in zip(read_all(tmp_path), read_all(tmp_path, packed=True), strict=True):
        assert np.array_equal(packed.vectors[:], whole.vectors[:])
        assert np.array_equal(packed.codes, whole.codes)
        assert np.array_equal(packed.ends, whole.ends)


def test_a_word_lasts_to_the_next_token_and_an_unheard_one_as_long_as_the_mean():
    dialogues = [encoded(12, {1: 3, 3: 4, 8: 2}), encoded(12, {0: 3, 4: 2})]
    # Word 0: 2 and 4 frames; word 1: 5; word 2 is never said.
    assert word_frames(dialogues, 3) == [3.0, 5.0, 3.67]
