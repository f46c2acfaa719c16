"""The codec in torch: its size, its quantiser, its crops, and that its export is the same codec."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from pipelines.duplex.nano.names import DECODER  # noqa: E402
from pipelines.duplex.nano.sound import FRAME, RATE_HZ  # noqa: E402
from training.nano_duplex import train_codec  # noqa: E402
from training.nano_duplex.agent_codec import ENCODER, AgentCodec  # noqa: E402
from training.nano_duplex.codec import DELAY, Carry, Codec, Shape, Sound  # noqa: E402
from training.nano_duplex.codec_data import UNKNOWN, Speech  # noqa: E402
from training.nano_duplex.codec_shards import AGENT, read_shards  # noqa: E402
from training.nano_duplex.export_codec import write  # noqa: E402
from training.nano_duplex.quantiser import Quantiser  # noqa: E402
from training.nano_duplex.seal import enter, entered  # noqa: E402
from training.nano_duplex.store import rounded  # noqa: E402
from training.nano_duplex.train_codec import Training, read_checkpoint, run  # noqa: E402

LABELS = np.repeat([3, 2, 3, 0, 2, 3, 2, 3], 8).astype(np.uint8)
"""Of 64 hops."""


@pytest.fixture(scope="module")
def codec():
    """A shallow one: what is exported is told layer by layer, which takes its time."""
    torch.manual_seed(7)
    return rounded(Codec(phones=5, shape=Shape(depths=(1, 1, 1, 1, 1))))


@pytest.fixture(scope="module")
def exported(codec, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    (folder / "nano.json").write_text('{"format": 1, "lm": {"a": 1}, "trained": ["read"]}')
    write(codec, folder)
    enter(folder, "codec", (ENCODER, DECODER), {"steps": 5, "seed": 7, "delay_samples": 480})
    return folder


@pytest.fixture(scope="module")
def sound():
    t = np.arange(12 * FRAME) / RATE_HZ
    rng = np.random.default_rng(7)
    pcm = 0.2 * np.sin(2 * np.pi * 200 * t) * (t % 0.5 > 0.2) + 1e-3 * rng.standard_normal(len(t))
    return pcm.astype(np.float32)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two users' utterances and one of the agent: a saw whose phone is 3, then 2, then 3 …"""
    folder = tmp_path_factory.mktemp("data") / "codec"
    folder.mkdir()
    saw = (np.arange(64 * 240) * 97 % 8000 - 4000).astype(np.int16)
    (folder.parent / "phones.txt").write_text("-\npau\na\nb\n", encoding="utf-8")
    for split in ("train", "valid"):
        (folder / split).mkdir()
        np.savez(
            folder / split / "000.npz", pcm=np.tile(saw, 3), phones=np.tile(LABELS, 3),
            offsets=np.arange(4) * len(saw), role=np.array([0, 0, AGENT]),
            text=np.array(["one", "two", "three"]), voice=np.array(["flite.awb.t1.p1.s1"] * 3),
        )  # fmt: skip
    return folder


def test_it_has_the_size_of_the_recipe():
    codec = Codec(phones=45)
    runtime = sum(p.numel() for n, p in codec.named_parameters() if "phones" not in n)
    assert 2.55e6 < runtime < 2.65e6
    assert codec.quantiser.table.numel() == 8 * 512 * 48


def test_the_exported_graphs_streaming_give_what_torch_gives_offline(codec, sound, exported):
    whole, torch_sound = AgentCodec(exported), Sound()
    session, voice = whole.open(), whole.voice.open()
    with torch.no_grad():
        codes, vectors = codec.encode(torch_sound.log_mel(torch.from_numpy(sound)[None]), Carry())
        made = torch_sound.wave(*codec.decode(codes, Carry()))[0].numpy()
    pieces = [session.encode(frame) for frame in sound.reshape(-1, FRAME)]
    assert np.array_equal(codes[0].numpy(), [piece.codes[0] for piece in pieces])
    assert np.abs(vectors[0].numpy() - [piece.vectors[0] for piece in pieces]).max() < 1e-4
    streamed = np.concatenate([voice.say(piece.codes) for piece in pieces])
    assert np.abs(made - streamed).max() < 1e-4 * max(1.0, float(np.abs(made).max()))
    assert whole.delay == DELAY


def test_an_impulse_is_coded_in_its_own_frame_and_codes_are_heard_from_their_frame_on(codec):
    sounds, place = Sound(), 5 * FRAME + 700
    silence, click = torch.zeros(1, 10 * FRAME), torch.zeros(1, 10 * FRAME)
    click[0, place] = 0.9
    with torch.no_grad():
        quiet, _ = codec.encode(sounds.log_mel(silence), Carry())
        loud, _ = codec.encode(sounds.log_mel(click), Carry())
        first = int((quiet != loud).any(-1)[0].nonzero()[0])
        assert first == place // FRAME  # neither before (look-ahead) nor after (lag)
        one, two = (sounds.wave(*codec.decode(codes, Carry())) for codes in (quiet, loud))
    changed = int((one - two).abs()[0].gt(0).nonzero()[0])
    assert first * FRAME <= changed <= first * FRAME + 1


def test_the_total_delay_is_one_frame_and_480_samples():
    # What training asks for: made[DELAY + n] stands for heard[n], and frame t is made when heard.
    assert FRAME + DELAY == 2400
    # A spectrum begins to sound with its own hop, so a frame's first is whole when the frame is
    # given back but for what later ones add to it.
    spectra = torch.zeros(1, 16, 481)
    spectra[0, 8] = torch.randn(481, generator=torch.Generator().manual_seed(1))
    heard = Sound().wave(spectra, torch.zeros_like(spectra))[0].abs() > 1e-6
    assert FRAME <= int(heard.nonzero().min()) <= FRAME + 10
    assert FRAME + 950 <= int(heard.nonzero().max()) < FRAME + 960


def test_dequantised_codes_are_the_vectors_and_a_dropped_book_changes_only_the_second_half():
    torch.manual_seed(1)
    quantiser = Quantiser(8, 16, 4)
    latent = torch.randn(2, 30, 8)
    quantiser(latent, torch.tensor([7, 7]))
    codes, vectors = quantiser.encode(latent)
    assert torch.allclose(quantiser.look_up(codes), vectors, atol=1e-6)
    full = quantiser(latent, torch.tensor([7, 7]), learn=False)
    few = quantiser(latent, torch.tensor([7, 2]), learn=False)
    assert torch.equal(full.codes, few.codes)
    assert torch.equal(full.vectors[0], few.vectors[0])
    assert torch.equal(full.vectors[1, :, :4], few.vectors[1, :, :4])
    assert not torch.equal(full.vectors[1, :, 4:], few.vectors[1, :, 4:])


def test_entries_that_nothing_falls_on_are_set_anew():
    torch.manual_seed(1)
    quantiser = Quantiser(8, 16, 4)
    for _ in range(200):
        quantiser(torch.randn(2, 20, 8), torch.full((2,), 7))
    with torch.no_grad():
        quantiser.table[0, :8] = 99.0
        quantiser.total[0, :8] = 99.0 * quantiser.count[0, :8, None]
    for _ in range(500):
        quantiser(torch.randn(2, 20, 8), torch.full((2,), 7))
    assert quantiser.table[0].abs().max() < 6
    assert quantiser.used()[0] > 12


def test_a_shard_gives_its_utterances_back(shards):
    said = list(read_shards(shards / "train"))
    assert [(s.text, s.role, s.speaker) for s in said] == [
        ("one", 0, "flite.awb"), ("two", 0, "flite.awb"), ("three", AGENT, "flite.awb")
    ]  # fmt: skip
    assert all(np.array_equal(s.phones, LABELS) and len(s.pcm) == 64 * 240 for s in said)
    with pytest.raises(FileNotFoundError, match="holds no shards"):
        list(read_shards(shards))


def test_crops_are_seeded_labelled_by_place_and_clean_where_wanted(shards):
    one, two = (Speech(shards / "train", seed=3).batch(6, 5, 0.5) for _ in range(2))
    assert torch.equal(one.heard, two.heard) and torch.equal(one.phones, two.phones)
    assert one.heard.shape == one.wanted.shape == (6, 5 * FRAME)
    assert one.phones.shape == (6, 5, 2)
    assert set(one.phones.unique().tolist()) <= {UNKNOWN, 2, 3}
    assert not torch.equal(one.heard, one.wanted)
    smooth = Speech(shards / "train", seed=3).batch(6, 5, 0.5, rough=False)
    assert torch.equal(smooth.heard, smooth.wanted)


def test_a_label_stands_where_its_sound_is(shards):
    class Fixed:
        """Draws nothing: the crop begins 500 samples before the utterance."""

        def integers(self, low, high):
            assert low <= -500 < high
            return -500

        def random(self):
            return 1.0

    speech: Any = Speech(shards / "train", seed=3)
    speech.random = Fixed()
    pcm, phones = speech._crop(2, 8, 1.0, True)
    assert not pcm[:500].any() and np.array_equal(
        pcm[500:] * 32768, speech.pcm[2][: 8 * FRAME - 500]
    )
    for frame in range(8):
        for half, hop in enumerate((2, 6)):
            place = int((frame * FRAME + (hop + 0.5) * 240 - 500) // 240)
            assert phones[frame, half] == (LABELS[place] or UNKNOWN)
    assert (phones != UNKNOWN).any()


def _args(shards, out, steps):
    return argparse.Namespace(
        data=shards, out=out, minutes=1.0, steps=steps, seed=5, batch=4, frames=8, threads=1
    )


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(shards, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(_args(shards, whole, 6))
    save = Training.save

    def save_and_stop(training, path):
        save(training, path)
        if training.step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_codec, "SAVE_EVERY_S", -1.0)
        patch.setattr(Training, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(_args(shards, cut, 6))
    assert read_checkpoint(cut / "latest.pt")[1]["steps"] == 3
    run(_args(shards, cut, 6))
    one, two = (read_checkpoint(folder / "latest.pt")[0] for folder in (whole, cut))
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, two.state_dict()[name]), name


def test_the_card_names_both_files_and_keeps_what_others_wrote(exported):
    table = json.loads((exported / "nano.json").read_text())
    assert table["trained"] == ["codec", "read"] and table["lm"] == {"a": 1}
    assert set(table["files"]) == {"codec_encoder.onnx", "codec_decoder.onnx"}
    assert table["codec"]["delay_samples"] == 480
    assert all(len(entry["sha256"]) == 64 for entry in table["files"].values())
    assert entered(exported, "codec") == (["codec"], table["codec"])
    assert entered(exported, "ear") == ([], {})
