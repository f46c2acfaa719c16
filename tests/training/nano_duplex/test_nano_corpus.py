"""The data on disk: shards that can be made again, phone labels, and held-out fixtures."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import Any

import numpy as np
import pytest

from bench.fixtures.library import load, verify
from bench.store.expectation import judge
from training.nano_duplex import corpus, held_out
from training.nano_duplex.speech import Utterance
from training.nano_duplex.voices import AGENT


def args_of(job: Any) -> Any:
    """What a job is called with."""
    return job.args


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "SHARD_S", 30)


def test_a_hop_has_the_phone_in_its_middle_and_silence_around():
    said = Utterance(np.zeros(960, np.float32), (("p", 120, 400), ("", 400, 700)), ())
    labels = corpus.phone_hops(said, 240, 1920)
    # Middles at 120, 360, 600, 840, 1080 …; the phones lie at 360–640 and 640–940.
    pau, p = corpus.PHONES.index("pau"), corpus.PHONES.index("p")
    assert labels.tolist() == [pau, p, p, 0, pau, pau, pau, pau]


def test_the_agent_begins_on_a_frame_at_one_level(tones):
    said = corpus.speak("one two", AGENT)
    for seed in range(20):
        pcm, labels = corpus.framed(said, corpus.AGENT_ROLE, random.Random(seed))
        assert pcm.size % 1920 == 0 and labels.size * 240 == pcm.size
        assert int(np.flatnonzero(pcm)[0] - 1) % 1920 == 0  # a sine begins with 0
        assert np.abs(pcm).max() == round(0.1 * 32768)


def test_a_shard_of_the_codec_holds_what_its_part_says(tones, short, tmp_path):
    part = corpus.Part("heldout", corpus.USER, 1.0, True, True)
    path = tmp_path / "000.npz"
    seconds = corpus.codec_shard(path, part, "7")
    with np.load(path) as shard:
        assert shard["offsets"][-1] == shard["pcm"].size == shard["phones"].size * 240
        assert not (shard["offsets"] % 1920).any()
        assert seconds * 24_000 == shard["pcm"].size >= 30 * 24_000
        assert all(any(held in str(v) for held in ("slt", "+f")) for v in shard["voice"])
        assert set(shard["role"]) == {0}
        first = {name: shard[name] for name in shard.files}
    corpus.codec_shard(path, part, "7")
    with np.load(path) as again:
        assert all(np.array_equal(first[name], again[name]) for name in again.files)


def test_a_shard_of_dialogues_can_be_taken_apart_again(tones, short, tmp_path):
    path = tmp_path / "000.npz"
    corpus.dialogue_shard(path, corpus.DIALOGUES[0], "7")
    with np.load(path) as shard:
        assert shard["offsets"][-1] == shard["text"].size
        assert shard["user"].size == shard["agent"].size == shard["text"].size * 1920
        records = [json.loads(str(record)) for record in shard["record"]]
        assert len(records) == shard["offsets"].size - 1
    for turn in records[0]["turns"]:
        if turn["kind"] in ("command", "question", "pause"):
            assert turn["agent_frames"][0] > turn["user_frames"][0]


def test_shards_on_disk_are_kept_and_parts_are_mixed_evenly(tmp_path, capsys):
    jobs = corpus.codec_jobs(tmp_path, 7)
    names = [path.relative_to(tmp_path).as_posix() for path in jobs]
    assert names[0] == "codec/valid/000.npz" and names[-1] == "codec/train/083.npz"
    roles = [args_of(job)[1].role for path, job in jobs.items() if path.parent.name == "train"]
    assert roles.count(0) == 60 and roles.count(1) == 24
    assert all(1 in roles[i : i + 4] for i in range(0, 80, 4))
    there = tmp_path / "there.npz"
    there.touch()
    made: list[str] = []
    corpus.make({there: partial(made.append, "again")}, workers=1)
    assert made == [] and "1 shards, 1 there already" in capsys.readouterr().out


def test_more_hours_only_add_shards(tmp_path):
    few, many = (corpus.dialogue_jobs(tmp_path, 7, hours) for hours in (3, 20))
    assert list(many)[: len(few)] == list(few)
    assert [args_of(few[p]) for p in few] == [args_of(many[p]) for p in few]


def test_held_out_fixtures_load_and_are_what_no_training_says(tones, monkeypatch, tmp_path):
    for name, number in (("PLAIN", 4), ("PAUSED", 3), ("CONVERSATIONS", 2)):
        monkeypatch.setattr(held_out, name, number)
    held_out.main(["--out", str(tmp_path)])
    paths = sorted(tmp_path.glob("*.toml"))
    assert len(paths) == 9
    for path in paths:
        fixture = load(path)
        assert verify(fixture) == []
        assert "heldout" in fixture.tags
        for turn in fixture.turns:
            if turn.expect.respond:
                assert not judge(turn.expect, "").right
        if "pause" in path.stem:
            assert fixture.turns[0].pauses
        if "floor" in path.stem:
            events = [turn.event for turn in fixture.turns]
            assert events.count("interruption") == 2
            assert len([event for event in events if event in ("backchannel", "cough")]) == 2
