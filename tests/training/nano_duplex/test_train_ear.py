"""The ear in torch: its batches, its warped filters, and that its export is the same ear."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from pipelines.duplex.nano.ear import NanoEar  # noqa: E402
from pipelines.duplex.nano.names import EAR_NAME, EAR_WORDS  # noqa: E402
from pipelines.duplex.nano.sound import FRAME, RATE_HZ, mel_filters  # noqa: E402
from training.nano_duplex import train_ear  # noqa: E402
from training.nano_duplex.codec import Carry, Shape, Sound  # noqa: E402
from training.nano_duplex.codec_data import UNKNOWN  # noqa: E402
from training.nano_duplex.ear import Ear, warped_filters  # noqa: E402
from training.nano_duplex.ear_data import AFTER, BEFORE, Spoken, Utterances, single, turns  # noqa: E402
from training.nano_duplex.export_ear import write  # noqa: E402
from training.nano_duplex.reader import LOOK_BACK, ReaderShape, WordReader  # noqa: E402
from training.nano_duplex.seal import enter  # noqa: E402
from training.nano_duplex.store import rounded  # noqa: E402
from training.nano_duplex.train_ear import Training, read_checkpoint, run  # noqa: E402


def spoken(frames: int, *words: str, phones: bool = True) -> Spoken:
    pcm = (np.arange(frames * FRAME) * 97 % 8000 - 4000).astype(np.int16)
    labels = np.full(frames * 8, 3, np.uint8) if phones else None
    return Spoken(pcm, words, labels, "flite.awb.t100.p100.s100")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Single utterances in three splits, and one dialogue of two turns."""
    folder = tmp_path_factory.mktemp("data")
    saw = spoken(8).pcm
    (folder / "phones.txt").write_text("-\npau\na\nb\n", encoding="utf-8")
    for split in ("train", "valid", "heldout"):
        (folder / "codec" / split).mkdir(parents=True)
        np.savez(
            folder / "codec" / split / "000.npz", pcm=np.tile(saw, 3),
            phones=np.full(3 * 64, 3, np.uint8), offsets=np.arange(4) * len(saw),
            role=np.array([0, 0, 1]), text=np.array(["go left", "go", "agent"]),
            voice=np.array(["flite.awb.t1.p1.s1"] * 3),
        )  # fmt: skip
    (folder / "dialogues" / "train").mkdir(parents=True)
    record = {
        "voice": "espeak.m1",
        "words": [["left", 4, 6], ["go", 14, 16]],
        "turns": [{"user_frames": [4, 6]}, {"user_frames": [14, 16]}],
    }
    np.savez(
        folder / "dialogues" / "train" / "000.npz", user=np.tile(saw, 3),
        offsets=np.array([0, 24]), record=np.array([json.dumps(record)]),
    )  # fmt: skip
    return folder


def test_only_what_users_say_is_read_and_turns_are_cut_with_their_words(data):
    assert [s.words for s in single(data / "codec" / "train")] == [("go", "left"), ("go",)]
    found = list(turns(data / "dialogues" / "train"))
    assert [s.words for s in found] == [("left",), ("go",)]
    assert [len(s.pcm) // FRAME for s in found] == [2 + BEFORE + AFTER] * 2
    assert all(s.phones is None for s in found)


def test_batches_hold_each_utterance_once_and_no_more_frames_than_asked_for():
    said = Utterances([spoken(n, "go") for n in (3, 9, 4, 8, 3, 12)], ["go"])
    made = said.batches(24, np.random.default_rng(0))
    assert sorted(i for batch in made for i in batch) == list(range(6))
    for batch in made:
        longest = max(len(said.spoken[i].pcm) // FRAME + BEFORE for i in batch)
        assert len(batch) == 1 or longest * len(batch) <= 24


def test_a_batch_that_is_not_changed_has_the_words_the_frames_and_the_phones_of_its_rows():
    said = Utterances([spoken(3, "go", "left"), spoken(5, phones=False)], ["go", "left"])
    batch = said.batch([0, 1], None)
    assert [w.tolist() for w in batch.words] == [[1, 2], []]
    assert batch.frames.tolist() == [3 + AFTER, 5]
    assert batch.phones[0, :3].tolist() == [[3, 3]] * 3
    assert (batch.phones[0, 3:] == UNKNOWN).all() and (batch.phones[1] == UNKNOWN).all()
    assert np.abs(batch.pcm[1, : 5 * FRAME].numpy() * 32768 - said.spoken[1].pcm).max() < 20


def test_changes_follow_from_the_seed_and_stay_within_full_scale():
    said = Utterances([spoken(6, "go")] * 8, ["go"])
    one, two, other = (said.batch(range(8), np.random.default_rng(seed)).pcm for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert one.shape != other.shape or not torch.equal(one, other)
    assert one.abs().max() <= 1.05


def test_filters_that_are_stretched_by_a_tenth_hear_a_tone_where_it_was_a_tenth_lower():
    plain = torch.from_numpy(mel_filters())
    same, up = warped_filters(torch.tensor([1.0, 1.1]))
    assert torch.allclose(same, plain)
    at, lower = round(3300 * 1024 / RATE_HZ), round(3000 * 1024 / RATE_HZ)
    assert up[at].argmax() == plain[lower].argmax() != plain[at].argmax()


def test_filters_that_are_bent_hear_high_tones_lower_and_low_ones_higher():
    plain = torch.from_numpy(mel_filters())
    straight, bent = warped_filters(torch.ones(2), torch.tensor([0.0, 0.1]))
    assert torch.allclose(straight, plain)

    def band(filters, hz: float) -> int:
        return int(filters[round(hz * 1024 / RATE_HZ)].argmax())

    # 1 + 0.1 · tanh: 1.1 at 6 kHz, 0.912 at 600 Hz.
    assert abs(band(bent, 6000) - band(plain, 6000 / 1.1)) <= 1
    assert abs(band(bent, 600) - band(plain, 600 / 0.912)) <= 1
    assert band(bent, 6000) < band(plain, 6000) and band(bent, 600) > band(plain, 600)


def test_colours_are_smooth_differ_from_row_to_row_and_leave_some_rows_as_they_are():
    curves = train_ear.coloured(200, np.random.default_rng(0))
    assert curves.shape == (200, 80) and curves.dtype == np.float32
    plain = (curves == 0).all(1)
    assert 30 < plain.sum() < 90
    assert np.abs(np.diff(curves, axis=1)).max() < np.abs(curves).max() / 4
    assert 0.4 < curves[~plain].std() < 0.8


def test_the_exported_graph_streaming_gives_what_torch_gives_offline(tmp_path):
    torch.manual_seed(7)
    small = ReaderShape(width=16, layers=2, heads=2)
    ear = rounded(Ear(3, 2, Shape(depths=(1, 1, 1, 1, 1)), small))
    write(ear, ["go", "left"], tmp_path)
    enter(tmp_path, "ear", (EAR_NAME, EAR_WORDS), {"steps": 3})
    assert json.loads((tmp_path / "nano.json").read_text())["trained"] == ["ear"]
    frames = LOOK_BACK + 12  # the first are forgotten
    pcm = (0.1 * np.random.default_rng(0).standard_normal(frames * FRAME)).astype(np.float32)
    with torch.no_grad():
        whole = ear(Sound().log_mel(torch.from_numpy(pcm)[None]), Carry())[0].numpy()
    session = NanoEar(tmp_path).open()
    pieces = np.concatenate([session.vectors(frame) for frame in pcm.reshape(-1, FRAME)])
    assert pieces.shape == (frames, 96 + 3) and NanoEar(tmp_path).words == ("go", "left")
    assert np.abs(whole - pieces).max() < 1e-4
    assert np.abs(pieces[:, 96:].sum(1) - 1).max() < 1e-4


def test_what_reads_looks_forty_frames_back_and_at_none_that_is_not_there():
    torch.manual_seed(7)
    reader = WordReader(96, 2, ReaderShape(width=16, layers=1, heads=2)).eval()
    vectors = torch.randn(1, 60, 96)
    other = vectors.clone()
    other[0, 10] = -other[0, 10]
    with torch.no_grad():
        one, two = reader(vectors, Carry())[0], reader(other, Carry())[0]
        late = reader(vectors[:, 10:], Carry())[0]
    changed = (one - two).abs().amax(1) > 1e-6
    assert changed.nonzero()[:, 0].tolist() == list(range(10, 10 + LOOK_BACK))
    assert (one[10 + LOOK_BACK - 1 :] - late[LOOK_BACK - 1 :]).abs().max() < 1e-5


def _args(data, out, steps: int, begin=None) -> argparse.Namespace:
    return argparse.Namespace(
        data=data, out=out, codec=None, begin=begin, rate=train_ear.RATE, minutes=0.0, steps=steps,
        frames=40, seed=7, threads=1,
    )  # fmt: skip


def test_a_training_that_was_interrupted_goes_on_where_it_was(data, tmp_path, monkeypatch):
    save = Training.save

    def save_and_stop(training, path):
        save(training, path)
        if training.step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_ear, "SAVE_EVERY_S", -1.0)
        patch.setattr(Training, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(_args(data, tmp_path, 3))
    assert read_checkpoint(tmp_path / "ear.pt")[2]["steps"] == 2
    run(_args(data, tmp_path, 3))
    ear, words, told = read_checkpoint(tmp_path / "ear.pt")
    assert words == ["go", "left"]
    assert told["steps"] == 3 and told["seed"] == 7
    found = json.loads((tmp_path / "ear.json").read_text())
    assert set(found) == {"valid", "heldout"} and "all" in found["heldout"]
    assert all(torch.isfinite(weight).all() for weight in ear.state_dict().values())


def test_a_training_that_begins_with_another_ears_weights_has_them_and_a_fresh_count(
    data, tmp_path
):
    run(_args(data, tmp_path / "first", 2))
    held = torch.load(tmp_path / "first" / "ear.pt", weights_only=True)["ear"]
    further = Training(_args(data, tmp_path / "second", 2, begin=tmp_path / "first" / "ear.pt"))
    assert further.step == 0
    for name, weight in further.ear.state_dict().items():
        assert torch.equal(weight, held[name]), name
    run(_args(data, tmp_path / "second", 3, begin=tmp_path / "first" / "ear.pt"))
    assert read_checkpoint(tmp_path / "second" / "ear.pt")[2]["steps"] == 5
