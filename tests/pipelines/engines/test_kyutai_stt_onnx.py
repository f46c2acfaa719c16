"""Kyutai's recogniser in ONNX Runtime, very small: its tokens are those of numpy."""

import json

import numpy as np
import pytest

from pipelines.duplex.moshi.onnx import cached, mimi
from pipelines.engines.options import SttOptions
from pipelines.engines.processes import stt_engine
from pipelines.engines.stt.kyutai_stt import FRAME, NAMES
from pipelines.engines.stt.kyutai_stt_onnx import KyutaiSttOnnxEngine
from pipelines.process.engine import EngineError
from pipelines.weights import safetensors
from pipelines.weights.safetensors import Tensor
from pipelines.weights.tokenizer import train
from tests.pipelines.duplex.moshi.onnx import small_lm, small_mimi

CONFIG = {
    **{k: v for k, v in small_lm.CONFIG.items() if not k.startswith("depformer")},
    "model_type": "stt", "n_q": 8, "dep_q": 0, "delays": [0] * 9, "context": 6,
    "extra_heads_num_heads": 4, "stt_config": {"audio_delay_seconds": 0.16}, **NAMES,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights():
    unused = ("depformer", "linears", *(f"emb.{i}." for i in range(8, 16)))
    made = small_lm.tensors(3)
    return {name: values for name, values in made.items() if not name.startswith(unused)}


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory):
    folder, cache = tmp_path_factory.mktemp("stt"), tmp_path_factory.mktemp("cache")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    layout = {name: Tensor("F32", values.shape) for name, values in weights.items()}
    safetensors.write(folder / NAMES["moshi_name"], layout, iter(weights.items()))
    small_mimi.write(folder / NAMES["mimi_name"], small_mimi.tensors())
    (folder / NAMES["tokenizer_name"]).write_bytes(train(small_lm.TEXTS)[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "cache_folder", lambda: cache)
        patch.setattr(mimi, "PROBE_FRAMES", 8)
        yield folder


def test_it_writes_the_tokens_that_numpy_computes_within_its_context(folder, weights):
    engine = KyutaiSttOnnxEngine(model=str(folder), precision="f32")
    engine.load()
    engine.warm_up()
    engine._reset()
    pcm = np.random.default_rng(5).standard_normal(6 * FRAME).astype(np.float32) * 0.3
    found = list(engine._hear(pcm.tobytes(), first=True))
    codec = engine._mimi.another()
    frames = pcm.reshape(-1, 1, 1, FRAME)[:5]
    codes = [codec.encode_step(frame)[0, :, 0].astype(int) for frame in frames]
    whole = small_lm.Greedy(weights, (0,) * 9, own=0)
    whole.step(codes[0])  # its start tokens
    assert found[:5] == [int(whole.step(frame)[0]) for frame in codes]
    assert len(found) == 6  # one a frame, beyond the six steps that a step sees, too


def test_an_utterance_longer_than_the_cache_begins_anew(folder):
    engine = KyutaiSttOnnxEngine(model=str(folder), precision="f32")
    engine.load()
    engine._reset()
    pcm = np.random.default_rng(5).standard_normal(30 * FRAME).astype(np.float32) * 0.3
    assert len(list(engine._hear(pcm.tobytes(), first=True))) == 30
    assert engine._steps.steps < 4 * 6


def test_what_follows_a_cancelled_utterance_is_as_if_it_were_the_first(folder):
    engine = KyutaiSttOnnxEngine(model=str(folder), precision="f32")
    engine.load()
    pcm = np.random.default_rng(5).standard_normal(5 * FRAME).astype(np.float32).tobytes()
    engine._reset()
    wanted = list(engine._hear(pcm, first=True))
    for _ in range(3):
        engine._reset()
        cancelled = engine._hear(pcm, first=True)
        assert next(cancelled) == wanted[0]  # while the next frame is on its way
        cancelled.close()
        engine._reset()
        pieces = [pcm[:0], pcm[: 8 * FRAME], pcm[8 * FRAME :]]
        found = [t for i, p in enumerate(pieces) for t in engine._hear(p, first=i < 2)]
        assert found == wanted


def test_its_precision_is_a_setting_of_its_own(folder):
    options = SttOptions(engine="kyutai-stt-onnx", model=str(folder), settings={"precision": "q8"})
    assert stt_engine(options).options["precision"] == "q8"
    with pytest.raises(ValueError, match="precision"):
        SttOptions(engine="kyutai-stt-onnx", settings={"precision": "q3"})


def test_a_model_that_speaks_is_refused(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"dep_q": 8}), encoding="utf-8")
    with pytest.raises(EngineError, match=r"a model that speaks \(dep_q = 8\)"):
        KyutaiSttOnnxEngine(model=str(tmp_path)).load()
