"""Training of duplex-nano's language model, on a tiny one; where there is torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch trains; the product has none")

from training.creature_llm.muon import orthogonal  # noqa: E402
from training.nano_duplex.calibrate import choose  # noqa: E402
from training.nano_duplex.crops import cut, spoil  # noqa: E402
from training.nano_duplex.lm import BOS, EOS, PAD, Lm, LmSizes, delayed  # noqa: E402
from training.nano_duplex.make import TINY_LM  # noqa: E402
from training.nano_duplex.rehearse import Figures, judge  # noqa: E402
from training.nano_duplex.stream import Stream  # noqa: E402
from training.nano_duplex.tokens import Encoded, write_shard  # noqa: E402
from training.nano_duplex.train_lm import (  # noqa: E402
    STAGES,
    Trainer,
    arguments,
    frames_to_learn,
    losses,
    pace,
)

torch.set_num_threads(1)
NONE = 512


def dialogue(frames: int = 30, seed: int = 0) -> Encoded:
    rng = np.random.default_rng(seed)
    return Encoded(
        vectors=rng.standard_normal((frames, 99)).astype(np.float16),
        codes=(np.arange(frames)[:, None] * 8 + np.arange(8)).astype(np.uint16),
        text=rng.integers(0, 6, frames).astype(np.uint16),
        speaking=np.arange(frames) > frames // 2,
        words=np.array([1, 2], np.uint16),
        ends=np.array([6, 12], np.int32),
        turns=[],
    )


def tiny(seed: int = 0, **more: int) -> Lm:
    torch.manual_seed(seed)
    lm = Lm(LmSizes(words=9, vector=99, user_words=2, **{**TINY_LM, "ctc_layer": 1, **more}))
    for weight in lm.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return lm.eval()


def test_books_after_the_first_lie_one_frame_late():
    codes = torch.arange(6).view(1, 3, 2)
    assert delayed(codes, 9).tolist() == [[[0, 9], [2, 1], [4, 3]]]


def test_a_crop_is_told_what_came_before_it_and_what_is_to_come():
    held = dialogue(30)
    for step in range(20):
        crops = cut([held], 1, 10, np.random.default_rng(step), NONE)
        start = int(np.flatnonzero(held.vectors[:21][:, 0] == crops.vectors[0, 0, 0].numpy())[0])
        assert crops.text[0].tolist() == held.text[start : start + 10].tolist()
        assert crops.text_before[0, 1:].tolist() == held.text[start : start + 9].tolist()
        assert crops.text_before[0, 0] == (held.text[start - 1] if start else BOS)
        first = [8 * start] + [8 * (start - 1) + b if start else NONE for b in range(1, 8)]
        assert crops.codes[0, 0].tolist() == first
        assert torch.equal(crops.codes_before[0, 1:], crops.codes[0, :-1])
        if start > 1:
            before = [8 * (start - 1)] + [8 * (start - 2) + b for b in range(1, 8)]
            assert crops.codes_before[0, 0].tolist() == before
        if start == 0:
            assert crops.codes_before[0, 0].tolist() == [NONE] * 8


def test_answers_to_what_was_cut_away_are_not_learned():
    turns = [
        {"user_frames": [0, 8], "agent_frames": [10, 16]},
        {"user_frames": [18, 22], "agent_frames": None},
    ]
    held = replace(dialogue(30), turns=turns)
    starts = set()
    for step in range(40):
        crops = cut([held], 1, 10, np.random.default_rng(step), NONE)
        start = int(np.flatnonzero(held.vectors[:21][:, 0] == crops.vectors[0, 0, 0].numpy())[0])
        deaf = 0 if start == 0 else max(0, 16 - start)
        assert crops.asked[0].tolist() == [i >= deaf for i in range(10)]
        starts.add(start)
    assert 0 in starts and any(0 < start < 16 for start in starts)


def test_a_short_dialogue_is_padded_with_what_is_not_learned():
    crops = cut([dialogue(6)], 1, 10, np.random.default_rng(0), NONE)
    assert crops.text[0, 6:].tolist() == [-1] * 4 and not crops.asked[0, 6:].any()
    assert (crops.codes[0, 6:, 0] == NONE).all() and not crops.speaking[0, 6:].any()


def test_nothing_is_spoilt_at_a_rate_of_zero_and_what_is_not_yet_there_never():
    rng = np.random.default_rng(1)
    crops = cut([dialogue(40)], 4, 20, rng, NONE)
    assert torch.equal(spoil(crops, 0.0, rng, NONE), crops.codes_before)
    spoilt = spoil(crops, 0.5, rng, NONE)
    assert torch.equal(spoilt == NONE, crops.codes_before == NONE)
    share = (spoilt != crops.codes_before).float().mean()
    assert 0.5 < share < 0.8  # 1 − .5 · .5, less what was swapped for its equal


def test_codes_are_learned_on_three_frames_with_speech_and_one_of_silence():
    speaking = torch.arange(100) % 2 == 0
    there = torch.arange(100) >= 10
    chosen = frames_to_learn(speaking, there, 0.4, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 40 and chosen.min() >= 10
    assert int(speaking[chosen].sum()) == 30
    few = frames_to_learn(torch.arange(100) >= 96, there, 0.4, np.random.default_rng(0))
    assert len(few) == 40 and int((few >= 96).sum()) == 4, "silence fills what speech leaves"
    all_loud = frames_to_learn(there, there, 0.4, np.random.default_rng(0))
    assert len(all_loud) == 40


def test_many_streams_say_what_all_frames_at_once_would():
    lm = tiny()
    vectors = torch.randn(3, 30, 99)
    stream = Stream(lm, 3, temperature=1.0, text_temperature=1.0, seed=2)
    text, codes, logits = [], [], []
    keep = lm.text_out.register_forward_hook(lambda _m, _i, out: logits.append(out))
    for frame in range(30):
        said, out = stream.step(vectors[:, frame])
        text.append(said)
        codes.append(out.clone())
    keep.remove()
    said, out = torch.stack(text, 1), torch.stack(codes, 1)
    before = torch.cat((torch.full((3, 1), BOS), said[:, :-1]), 1)
    past = torch.cat((torch.full((3, 1, 8), lm.none), out[:, :-1]), 1)
    with torch.no_grad():
        z, _ = lm.temporal(lm.embed(vectors, before, past))
        offline = lm.text_out(z)
    assert (torch.stack(logits, 1) - offline).abs().max() < 1e-4


def test_a_token_that_is_forced_is_said():
    stream = Stream(tiny(), 2, speaks=False)
    said, codes = stream.step(torch.zeros(2, 99), torch.tensor([5, -1]))
    assert said[0] == 5 and codes is None


def test_only_the_losses_of_a_stage_are_counted():
    lm, rng = tiny(), np.random.default_rng(0)
    crops = cut([dialogue(40)], 2, 20, rng, NONE)
    for name, wanted in (("read", {"text", "ctc"}), ("speak", {"book_0", "books"})):
        found = losses(lm, crops, STAGES[name], crops.codes_before, rng)
        told = {n for n in ("text", "ctc", "book_0", "books") if getattr(found, n)}
        assert told == wanted


def test_the_rate_warms_up_and_runs_out():
    assert [round(pace(step, 1000), 3) for step in (0, 99, 400, 700, 999)] == [
        0.01, 1.0, 1.0, 0.5, 0.01,
    ]  # fmt: skip


def trainer(tmp_path, monkeypatch, steps: int, name: str = "out") -> Trainer:
    monkeypatch.setattr("training.nano_duplex.train_lm.CHECKPOINT_S", 1e9)
    monkeypatch.setattr(
        "training.nano_duplex.train_lm.LmSizes",
        lambda **given: LmSizes(**{**TINY_LM, "ctc_layer": 1, **given}),
    )
    for split in ("train", "valid"):
        (tmp_path / split).mkdir(exist_ok=True)
        write_shard(tmp_path / split / "000.npz", [dialogue(40, seed) for seed in range(3)])
    (tmp_path / "user_words.txt").write_text("a\nb\n")
    (tmp_path / "vocabulary.txt").write_text("a\nb\nc\n")
    (tmp_path / name).mkdir(exist_ok=True)
    given = ["joint", "--tokens", tmp_path, "--out", tmp_path / name, "--steps", steps,
             "--crop", 20, "--rows", 2, "--vocabulary", tmp_path / "vocabulary.txt"]  # fmt: skip
    return Trainer(arguments().parse_args([str(word) for word in given]))


def test_a_training_that_is_begun_again_goes_on_as_if_it_had_never_stopped(tmp_path, monkeypatch):
    whole = trainer(tmp_path, monkeypatch, 6, "whole")
    for _ in range(6):
        whole.learn()
    begun = trainer(tmp_path, monkeypatch, 6, "halves")
    for _ in range(3):
        begun.learn()
    begun.keep()
    again = trainer(tmp_path, monkeypatch, 6, "halves")
    assert again.step == 3 and again.done == []
    again.run()
    assert again.done == ["joint"]
    for name, weight in whole.lm.state_dict().items():
        assert torch.equal(weight, again.lm.state_dict()[name]), name


def test_a_rehearsal_counts_right_answers_taken_turns_and_talking_in_pauses():
    turn = {"kind": "command", "agent": "go left", "cut": False, "pauses": [[3, 5]]}
    turn |= {"user_frames": [0, 10], "agent_frames": [14, 20]}
    held = replace(dialogue(40), turns=[turn])
    silent, right, hasty = np.zeros((3, 40), int)
    right[[12, 15, 19]] = [3, 4, 2]
    hasty[[4, 12, 15]] = [3, 3, 3]
    found = judge([held, held, held], np.stack([silent, right, hasty]), ["go", "left"])
    assert found.right == (1, 3)
    assert found.taken == (2, 3)
    assert found.in_pauses == (1, 3)
    assert found.unasked == (0, 0)
    assert found.frames_late == 2.0


def test_a_rehearsal_counts_what_is_answered_though_nobody_asked():
    over: dict[str, Any] = {"kind": "backchannel", "agent": "", "pauses": [], "agent_frames": None}
    asked: dict[str, Any] = {"kind": "command", "agent": "go left", "cut": False, "pauses": []}
    asked |= {"user_frames": [0, 5], "agent_frames": [8, 14]}
    turns = [asked, over | {"user_frames": [9, 11]}, over | {"user_frames": [20, 22]}]
    held = replace(dialogue(60), turns=turns)
    silent, meddling = np.zeros((2, 60), int)
    meddling[[25, 50]] = 3
    found = judge([held, held], np.stack([silent, meddling]), ["go", "left"])
    assert found.unasked == (1, 2)  # what is murmured over an answer is not counted here


def test_a_rehearsal_counts_answers_that_go_on_under_a_murmur():
    asked: dict[str, Any] = {"kind": "list", "agent": "go left go", "cut": False, "pauses": []}
    asked |= {"user_frames": [0, 5], "agent_frames": [8, 20]}
    over: dict[str, Any] = {"kind": "backchannel", "agent": "", "pauses": [], "agent_frames": None}
    over |= {"user_frames": [12, 14]}
    held = replace(dialogue(40), turns=[asked, over])
    broken, whole = np.zeros((2, 40), int)
    broken[[7, 9, 12]] = [3, 4, 2]
    whole[[7, 9, 16, 20]] = [3, 4, 3, 2]
    found = judge([held, held], np.stack([broken, whole]), ["go", "left"])
    assert found.went_on == (1, 2) and found.right == (1, 2)


def test_the_least_eagerness_is_taken_that_answers_nearly_all_and_breaks_into_few_pauses():
    def figures(taken: int, in_pauses: int, unasked: int = 0) -> Figures:
        return Figures((0, 1), (taken, 100), (in_pauses, 100), (unasked, 100), (0, 0), 2.0)

    enough = {0.0: figures(90, 1), 1.0: figures(98, 3), 2.0: figures(99, 4)}
    assert choose(enough) == 1.0
    hasty = {0.0: figures(90, 1), 1.0: figures(94, 8), 2.0: figures(99, 9)}
    assert choose(hasty) == 1.0
    meddling = {0.0: figures(90, 1, 16), 1.0: figures(98, 3, 20)}
    assert choose(meddling) == 0.0


def test_a_stream_that_is_eager_speaks_where_the_graph_would():
    lm = tiny()
    vectors = torch.randn(2, 12, 99, generator=torch.Generator().manual_seed(2))
    said = {}
    for eagerness in (0.0, 100.0):
        stream = Stream(lm, 2, eagerness=eagerness)
        said[eagerness] = torch.stack([stream.step(vectors[:, f])[0] for f in range(12)], 1)
    assert (said[100.0][:, 0] != PAD).all()
    words = said[100.0][0] >= 3
    if words.any():  # then it is as free to be silent as ever, up to an end
        first = int(words.nonzero()[0])
        assert not stream.listening[0] or (said[100.0][0, first:] == EOS).any()


def test_in_bfloat16_the_losses_are_the_same_to_a_hundredth():
    lm, stage = tiny(), STAGES["joint"]
    crops = cut([dialogue(40, i) for i in range(4)], 4, 24, np.random.default_rng(0), NONE)
    found = []
    for half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found.append(losses(lm, crops, stage, crops.codes_before, np.random.default_rng(1)))
    assert found[0].text != found[1].text
    for name in ("text", "ctc", "book_0", "books"):
        assert getattr(found[1], name) == pytest.approx(getattr(found[0], name), rel=0.01)


def test_half_precision_orthogonalises_to_a_hundredth():
    matrix = torch.randn(12, 30, generator=torch.Generator().manual_seed(1))
    whole, half = orthogonal(matrix), orthogonal(matrix, half=True)
    assert half.dtype == torch.float32
    assert (whole - half).abs().max() < 0.02 and not torch.equal(whole, half)
