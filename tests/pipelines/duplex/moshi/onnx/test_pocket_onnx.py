"""Pocket TTS's codec in ONNX Runtime: frame by frame, what its own package and numpy compute."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.duplex.moshi.onnx import cached
from pipelines.duplex.moshi.onnx.pocket import PocketDecoder
from pipelines.process import environment
from pipelines.weights.error import WeightsError
from tests.pipelines.duplex.moshi.onnx import small_mimi, small_pocket
from tests.pipelines.local_engines import made_here

ROOT = Path(__file__).parents[5]
CHILD = Path(__file__).with_name("pocket_torch_child.py")
SHAPE: dict[str, Any] = {"heads": small_pocket.HEADS, "context": small_pocket.CONTEXT}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="module")
def weights():
    return small_pocket.tensors()


@pytest.fixture(scope="module")
def checkpoint(cache, weights, tmp_path_factory):
    return small_mimi.write(tmp_path_factory.mktemp("pocket") / "model.safetensors", weights)


@pytest.fixture(scope="module")
def decoder(checkpoint):
    return PocketDecoder(checkpoint, **SHAPE)


@pytest.fixture(scope="module")
def latents():
    return np.random.default_rng(5).standard_normal((12, small_pocket.LATENT)).astype(np.float32)


def test_frame_by_frame_it_says_what_numpy_makes_of_the_whole(decoder, weights, latents):
    whole = small_pocket.decode(weights, latents)  # beyond the transformer's 50 steps
    assert (decoder.latent, decoder.samples) == (small_pocket.LATENT, 1920)
    stream = decoder.open()
    said = np.concatenate([stream.decode(latents[:1]), stream.decode(latents[1:])])
    assert np.abs(said - whole).max() < 1e-4 * np.abs(whole).max()


def test_each_utterance_begins_without_a_past(decoder, latents):
    first, other = decoder.open(), decoder.open()
    said = first.decode(latents)
    assert np.array_equal(other.decode(latents), said)
    assert not np.array_equal(first.decode(latents), said)


def test_it_says_what_the_package_says(tmp_path, cache):
    folder = made_here("pocket-tts")
    frames = np.random.default_rng(6).standard_normal((20, 32)).astype(np.float32)
    np.save(tmp_path / "latents.npy", frames)
    python = environment.find("moshi-torch")
    paths = [folder, tmp_path / "latents.npy", tmp_path / "sound.npy"]
    done = subprocess.run(
        [str(python), CHILD, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shape = json.loads(done.stdout.splitlines()[-1])
    said = PocketDecoder(folder / "model.safetensors", **shape).open().decode(frames)
    wanted = np.load(tmp_path / "sound.npy")
    noise = ((said - wanted) ** 2).mean()
    assert 10 * np.log10((wanted**2).mean() / noise) > 80


def test_what_does_not_fit_is_a_sentence(decoder, checkpoint, weights, cache, tmp_path):
    with pytest.raises(ValueError, match=r"shape \(1, 7\), and should have \(frames, 8\)"):
        decoder.open().decode(np.zeros((1, 7), np.float32))
    short = tmp_path / "short.safetensors"
    short.write_bytes(checkpoint.read_bytes()[:-500])
    with pytest.raises(WeightsError, match=r"short.safetensors is truncated: 500 of its"):
        PocketDecoder(short, **SHAPE)
    other = small_mimi.write(tmp_path / "other.safetensors", {"x": np.ones(3, np.float32)})
    with pytest.raises(WeightsError, match=r"has no tensor mimi.quantizer.output_proj.weight: it"):
        PocketDecoder(other, **SHAPE)
    with pytest.raises(WeightsError, match=r"width 64 with 5 heads, 3 strides and 2 transformer"):
        PocketDecoder(checkpoint, heads=5, context=50)
    name = "mimi.decoder.model.2.convtr.bias"
    wide = small_mimi.write(tmp_path / "wide.safetensors", weights | {name: np.ones(9, "f4")})
    with pytest.raises(WeightsError, match=r"model.2.convtr.bias is 9, and .* ask for 16"):
        PocketDecoder(wide, **SHAPE)
