"""Mimi in ONNX Runtime: streamed, it is what numpy computes of the whole signal at once."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.duplex.moshi.onnx import cached
from pipelines.duplex.moshi.onnx.graphs.graph import Graph
from pipelines.duplex.moshi.onnx.graphs.quantised import halves
from pipelines.duplex.moshi.onnx.mimi import MimiOnnx
from pipelines.duplex.moshi.onnx.runtime import open_graph
from pipelines.duplex.moshi.weights.mimi import read_audio
from pipelines.errors import LabError
from pipelines.weights.error import WeightsError
from tests.pipelines.duplex.moshi.onnx import small_mimi
from tests.pipelines.duplex.moshi.test_moshi_mlx import WAV, run

FRAMES = 140
"""Beyond the transformers' context of 125 frames."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:  # of these graphs alone, not of the environments
        patch.setattr(cached, "cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="module")
def weights():
    return small_mimi.tensors()


@pytest.fixture(scope="module")
def checkpoint(cache, weights, tmp_path_factory):
    return small_mimi.write(tmp_path_factory.mktemp("mimi") / "mimi.safetensors", weights)


@pytest.fixture(scope="module")
def mimi(checkpoint):
    return MimiOnnx(checkpoint, small_mimi.BOOKS, precision="f32")


@pytest.fixture(scope="module")
def pcm():
    return np.random.default_rng(7).standard_normal(FRAMES * 1920).astype(np.float32) * 0.3


@pytest.fixture(scope="module")
def codes(weights, pcm):
    return small_mimi.encode(weights, pcm)


def encoded(mimi, pcm):
    return np.array([mimi.encode_step(f)[0, :, 0] for f in pcm.reshape(-1, 1, 1, 1920)])


def decoded(mimi, codes):
    return np.concatenate([mimi.decode_step(c[None, :, None])[0, 0] for c in codes])


def test_codes_frame_by_frame_are_those_of_the_whole_signal(mimi, pcm, codes):
    mimi.reset()
    streamed = encoded(mimi, pcm)
    assert streamed.dtype == np.uint32 and streamed.shape == (FRAMES, 8)
    assert len(np.unique(codes)) > 16  # they vary with the sound
    assert (streamed == codes).mean() >= 0.999


def test_sound_frame_by_frame_is_that_of_the_whole_signal(mimi, weights, codes):
    mimi.reset()
    whole = small_mimi.decode(weights, codes)
    assert np.abs(decoded(mimi, codes) - whole).max() < 1e-4 * np.abs(whole).max()


def test_a_large_codebook_is_searched_by_a_short_list_and_gives_the_same_codes(
    cache, pcm, tmp_path
):
    books = small_mimi.tensors(entries=512, book_width=32)
    mimi = MimiOnnx(small_mimi.write(tmp_path / "books.safetensors", books), precision="f32")
    wanted = small_mimi.encode(books, pcm)
    assert len(np.unique(wanted)) > 200
    assert (encoded(mimi, pcm) == wanted).mean() >= 0.999


def test_a_product_in_two_halves_of_8_bits_errs_by_two_hundredths_of_a_percent_at_most(tmp_path):
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((512, 96)).astype(np.float32)
    bias = rng.standard_normal(96).astype(np.float32)
    with (tmp_path / "halves.data").open("wb") as file:
        graph = Graph(file, "halves.data")
        x = graph.input("x", ["rows", 512])
        graph.output(halves(graph, x, matrix, bias), "y", ["rows", 96])
        graph.save(tmp_path / "halves.onnx")
    session = open_graph(tmp_path / "halves.onnx")
    x = rng.standard_normal((3, 512)).astype(np.float32) * np.array([[1e-3], [1.0], [1e4]], "f4")
    (y,) = session.run(["y"], {"x": x})
    errors = np.sqrt(((y - bias - x @ matrix) ** 2).mean(axis=1) / ((x @ matrix) ** 2).mean(axis=1))
    assert errors.max() < 2e-4
    alone = session.run(["y"], {"x": x[1:2]})[0]
    assert np.array_equal(alone, y[1:2])  # a row depends on no other
    (nothing,) = session.run(["y"], {"x": np.zeros((1, 512), np.float32)})
    assert np.array_equal(nothing[0], bias)


def test_after_a_reset_not_a_bit_of_the_past_is_left(mimi, pcm, codes):
    mimi.reset()
    first = encoded(mimi, pcm[: 10 * 1920]), decoded(mimi, codes[:10])
    mimi.reset()
    again = encoded(mimi, pcm[: 10 * 1920]), decoded(mimi, codes[:10])
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    other = mimi.another()
    assert np.array_equal(encoded(other, pcm[: 10 * 1920]), first[0])


def test_rows_of_a_batch_are_conversations_of_their_own_and_one_can_be_reset(mimi, pcm):
    alone = encoded(mimi.another(), pcm[: 6 * 1920])
    both = mimi.another(batch=2)
    frames = pcm[: 12 * 1920].reshape(2, 6, 1, 1920)
    for i in range(3):
        assert np.array_equal(both.encode_step(frames[:, i])[0, :, 0], alone[i])
    both.reset(1)
    for i in range(3):
        given = np.stack((frames[0, 3 + i], frames[0, i]))
        said = both.encode_step(given)[:, :, 0]
        assert np.array_equal(said, [alone[3 + i], alone[i]])


def test_small_graphs_are_probed_and_what_was_found_is_kept(checkpoint, weights, pcm, codes):
    probed = MimiOnnx(checkpoint, small_mimi.BOOKS)
    encoder, decoder = probed.facts["encoder"], probed.facts["decoder"]
    assert encoder["int8_same_codes"] > 0.99 and decoder["int8_snr_db"] > 25
    is_chosen = encoder["int8_same_codes"] >= 0.995 and encoder["int8_ms"] < encoder["f32_ms"]
    assert encoder["bits"] == (16 if is_chosen else 32)
    is_chosen = decoder["int8_snr_db"] >= 40 and decoder["int8_ms"] < decoder["f32_ms"]
    assert decoder["bits"] == (8 if is_chosen else 32)
    small = MimiOnnx(checkpoint, small_mimi.BOOKS, precision="int8")
    assert small.facts == {"encoder": {"bits": 16}, "decoder": {"bits": 8}}
    assert (encoded(small, pcm[: 40 * 1920]) == codes[:40]).mean() >= 0.995
    whole = small_mimi.decode(weights, codes[:20])
    noise = decoded(small, codes[:20]) - whole
    assert 20 < 10 * np.log10((whole**2).mean() / (noise**2).mean()) < 80


def test_full_size_gives_rustymimis_codes(moshi_mlx_python, tiny_weights, cache):
    frames, path = 12, tiny_weights.mimi
    rust = np.array(run(moshi_mlx_python, "mimi_codes.py", "rustymimi", path, WAV, frames))
    ours = encoded(MimiOnnx(path, precision="f32"), read_audio([WAV], frames * 0.08))
    assert (ours == rust).mean() >= 0.995


def test_a_frame_of_another_shape_or_an_impossible_code_is_refused(mimi):
    with pytest.raises(ValueError, match=r"\(1, 1, 960\), and should have \(1, 1, 1920\)"):
        mimi.encode_step(np.zeros((1, 1, 960), np.float32))
    with pytest.raises(ValueError, match=r"from 0 to 32, and a codebook has the entries 0 to 31"):
        mimi.decode_step(np.array([[[0], [32], *[[0]] * 6]]))


def changed(weights, tmp_path, **parts):
    made = dict(weights)
    for name, values in parts.items():
        if values is None:
            del made[name.replace("__", ".")]
        else:
            made[name.replace("__", ".")] = values
    return small_mimi.write(tmp_path / "changed.safetensors", made)


def test_a_checkpoint_without_a_tensor_is_refused_in_a_sentence(cache, weights, tmp_path):
    path = changed(weights, tmp_path, decoder__model__3__block__1__conv__conv__bias=None)
    with pytest.raises(WeightsError, match=r"has no tensor decoder.model.3.block.1.conv.conv.bias"):
        MimiOnnx(path, small_mimi.BOOKS)


def test_a_tensor_of_another_shape_is_refused_in_a_sentence(cache, weights, tmp_path):
    wide = np.ones((64, 99), np.float32)
    name = "decoder_transformer.transformer.layers.0.linear2.weight"
    path = changed(weights, tmp_path, **{name.replace(".", "__"): wide})
    with pytest.raises(WeightsError, match=r"linear2.weight is 64x99, and the .* ask for 64x128"):
        MimiOnnx(path, small_mimi.BOOKS)


def test_a_truncated_or_foreign_checkpoint_is_refused_in_a_sentence(cache, checkpoint, tmp_path):
    short = tmp_path / "short.safetensors"
    short.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"short.safetensors is truncated: 1000 of its"):
        MimiOnnx(short, small_mimi.BOOKS)
    with pytest.raises(WeightsError, match=r"has no tensor quantizer.* not Mimi's"):
        MimiOnnx(small_mimi.write(tmp_path / "other.safetensors", {"x": np.ones(3, np.float32)}))
    with pytest.raises(WeightsError, match=r"nowhere.safetensors can't be read"):
        MimiOnnx(tmp_path / "nowhere.safetensors")
    with pytest.raises(WeightsError, match=r"num_codebooks is 9, and .* has 2 to 8"):
        MimiOnnx(checkpoint, 9)


def test_a_written_graph_that_lost_bytes_is_written_again_and_a_damaged_one_is_named(
    checkpoint, mimi, monkeypatch, tmp_path, pcm
):
    kept = cached.folder_of(checkpoint, f"mimi-{small_mimi.BOOKS}-f32")
    monkeypatch.setattr(cached, "cache_folder", lambda: tmp_path)
    folder = cached.folder_of(checkpoint, f"mimi-{small_mimi.BOOKS}-f32")
    shutil.copytree(kept, folder)
    with (folder / "encoder.onnx").open("r+b") as file:
        file.truncate(5000)
    again = MimiOnnx(checkpoint, small_mimi.BOOKS, precision="f32")
    assert np.array_equal(encoded(again, pcm[:3840]), encoded(mimi.another(), pcm[:3840]))
    size = (folder / "encoder.onnx").stat().st_size
    (folder / "encoder.onnx").write_bytes(bytes(size))
    with pytest.raises(WeightsError, match=r"encoder.onnx can't be loaded by onnxruntime .*remove"):
        MimiOnnx(checkpoint, small_mimi.BOOKS, precision="f32")


def test_a_full_or_closed_cache_is_a_sentence_and_nothing_is_left(
    checkpoint, monkeypatch, tmp_path
):
    monkeypatch.setattr(cached, "cache_folder", lambda: tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.duplex.moshi.onnx.graphs.graph.Graph.save", full)
    with pytest.raises(WeightsError, match=r"can't be written \(No space left on device\): free"):
        MimiOnnx(checkpoint, small_mimi.BOOKS, precision="f32")
    assert not [p for p in (tmp_path / "onnx").iterdir() if p.is_dir()]
    usage = SimpleNamespace(free=0)
    monkeypatch.setattr("pipelines.cache.shutil.disk_usage", lambda _: usage)
    with pytest.raises(LabError, match=r"needs 0.9 GB of disk and .* has 0.0 GB free"):
        MimiOnnx(checkpoint, small_mimi.BOOKS, precision="f32")


def test_the_facts_are_json(checkpoint, mimi):
    folder = cached.folder_of(checkpoint, f"mimi-{small_mimi.BOOKS}-f32")
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["entries"] == 32 and facts["encoder"] == {"bits": 32}
    assert set(facts["files"]) == {"encoder.onnx", "encoder.data", "decoder.onnx", "decoder.data"}
