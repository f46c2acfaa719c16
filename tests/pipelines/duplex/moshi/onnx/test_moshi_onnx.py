"""Backend onnx: a whole duplex model, very small, from files under their true names."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from pipelines.clock import monotonic_ns
from pipelines.duplex.moshi.onnx import cached, instructions, mimi
from pipelines.duplex.moshi.onnx.model import MoshiOnnx
from pipelines.duplex.moshi.onnx_row import OnnxWeights
from pipelines.duplex.session.model import ContextEndError
from pipelines.duplex.session.options import ModelOptions
from pipelines.errors import SpecError
from pipelines.process.engine import EngineError
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Reader
from pipelines.weights.sizes import MIMI_NAME, TOKENIZER_NAME
from pipelines.weights.tokenizer import train
from tests.pipelines.duplex.moshi.onnx import small_lm, small_mimi

FRAMES = 10
GREETING = "red block"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of weights as Kyutai publishes them, and a cache of its own for the graphs."""
    folder, cache = tmp_path_factory.mktemp("weights"), tmp_path_factory.mktemp("cache")
    small_lm.write(folder, small_lm.tensors())
    small_mimi.write(folder / MIMI_NAME, small_mimi.tensors())
    (folder / TOKENIZER_NAME).write_bytes(train(small_lm.TEXTS)[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "cache_folder", lambda: cache)
        patch.setattr(mimi, "PROBE_FRAMES", 8)
        yield folder


def options(folder, precision="f32"):
    return ModelOptions(id="moshi-small", backend="onnx", weights=str(folder), precision=precision)


@pytest.fixture(scope="module")
def paths(folder):
    return OnnxWeights().arguments(options(folder))


@pytest.fixture(scope="module")
def model(paths):
    model = MoshiOnnx(**paths, precision="f32")
    model.load()
    return model


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(3).standard_normal((FRAMES, 1920)).astype(np.float32) * 0.3


def talk(model, frames, seed=0, greeting="", at=0):
    with model.open(seed) as session:
        steps = []
        for i, frame in enumerate(frames):
            if greeting and i == at:
                session.say(greeting)
            steps.append(session.step(frame))
    return steps


def sounds(steps):
    return [None if s.pcm is None else s.pcm.tobytes() for s in steps]


def test_every_frame_but_the_first_says_one(model, frames):
    steps = talk(model, frames)
    assert [None if s.pcm is None else s.pcm.shape for s in steps] == [None, *[(1920,)] * 9]
    assert [len(s.ids) for s in steps] == [0, *[9] * 9]


def test_each_step_tells_when_its_depth_transformer_began(model, frames):
    with model.open() as session:
        for frame in frames[:3]:
            codes, began = session.encode(frame), monotonic_ns()
            assert began < session.advance(codes).depth_start_ns < monotonic_ns()


def test_two_sessions_with_the_same_seed_and_input_give_the_same_samples(model, frames):
    first = talk(model, frames, 7)
    talk(model, frames[::-1], 8, GREETING)  # of which nothing is left
    assert sounds(talk(model, frames, 7)) == sounds(first)
    assert [s.ids for s in talk(model, frames, 9)] != [s.ids for s in first]


def test_forced_text_comes_out_in_order_one_token_a_frame(model, frames):
    wanted = model.vocabulary.encode(GREETING)
    steps = talk(model, frames, greeting=GREETING)
    said = steps[1 : 1 + len(wanted)]  # sampled in the step before
    assert [s.ids[0] for s in said] == wanted and all(s.forced for s in said)
    assert "".join(s.text for s in said).strip() == GREETING
    assert not steps[1 + len(wanted)].forced
    later = talk(model, frames, greeting="red", at=4)
    assert [s.forced for s in later[:6]] == [False] * 5 + [True]


def test_the_floor_is_160_ms(paths, frames):
    greedy = MoshiOnnx(**paths, precision="f32", temperature=0.0, text_temperature=0.0)
    greedy.load()
    plain, firsts = talk(greedy, frames[:8]), []
    for other in frames:  # a small model's best token does not change with every sound
        changed = frames[:8].copy()
        changed[4] = other * 3
        pairs = zip(plain, talk(greedy, changed), strict=True)
        firsts += [i for i, (a, b) in enumerate(pairs) if a.ids[1:2] != b.ids[1:2]][:1]
    assert min(firsts) - 4 + 1 == 2  # frames of 80 ms


def test_a_condition_is_heard_from_its_step_on_and_can_be_taken_back(model, frames):
    plain = talk(model, frames, 1)
    with model.open(1) as session:
        session.step(frames[0])
        session.condition(np.full(small_lm.DIM, 3.0, np.float32))
        steps = [session.step(frame) for frame in frames[1:4]]
    assert [s.ids for s in steps] != [s.ids for s in plain[1:4]]
    with model.open(1) as session:
        session.condition(np.full(small_lm.DIM, 3.0, np.float32))
        session.condition(None)
        assert [session.step(frame).ids for frame in frames] == [s.ids for s in plain]


def test_a_condition_in_words_is_the_mean_of_its_tokens_embeddings(model, paths, frames):
    shape = model.lm.shape
    table = Reader(Path(paths["lm"]))("text_emb.weight", shape.text_card + 1, shape.dim)
    ids = model.vocabulary.encode(GREETING)
    np.testing.assert_allclose(model.embedding(GREETING), table[ids].mean(axis=0), atol=1e-5)
    with model.open(1) as session:
        session.condition(model.embedding(GREETING))
        wanted = [session.step(frame).ids for frame in frames]
    with model.open(1) as session:
        session.condition_on(GREETING)
        while session._next_condition is None:  # read on a thread of its own
            time.sleep(0.001)
        assert [session.step(frame).ids for frame in frames] == wanted
    plain = [s.ids for s in talk(model, frames, 1)]
    with model.open(1) as session:
        session.condition_on("")
        while session._next_condition is None:
            time.sleep(0.001)
        assert [session.step(frame).ids for frame in frames] == plain


def test_the_end_of_the_context_is_reported(model, frames):
    with model.open() as session:
        for i in range(small_lm.CONTEXT):
            session.step(frames[i % FRAMES])
        with pytest.raises(ContextEndError, match="the context of 24 steps is full"):
            session.step(frames[0])


def test_a_folder_without_a_quantised_file_is_rounded_from_the_whole_one(folder, frames):
    small = options(folder, "q4")
    told: list[str] = []
    assert OnnxWeights().provide(small, told.append) == "trained"
    assert [line for line in told if "for ONNX Runtime" in line]
    model = MoshiOnnx(**OnnxWeights().arguments(small), precision="q4")
    model.load()
    assert sounds(talk(model, frames))[1:] != [None] * 9
    told.clear()
    OnnxWeights().provide(small, told.append)
    assert told == []  # written once
    names = [row["name"] for row in OnnxWeights().listed(small)]
    bits = [model.mimi.facts[half]["bits"] for half in ("encoder", "decoder")]
    assert names == [
        *(f"moshi-small {part}" for part in ("config", "lm", "mimi", "tokenizer")),
        f"moshi-small encoder in {bits[0]} bits",
        f"moshi-small decoder in {bits[1]} bits",
    ]


def test_a_precision_that_these_graphs_lack_is_refused_before_and_in_the_child(folder, paths):
    with pytest.raises(
        SpecError, match=r"^duplex.toml \[model\]: precision = 'bf16' is not for .*q4"
    ):
        OnnxWeights().check(options(folder, "bf16"), "duplex.toml [model]")
    with pytest.raises(
        EngineError, match=r"precision = 'bf16' is not for backend = 'onnx': use q4"
    ):
        MoshiOnnx(**paths, precision="bf16").load()


@pytest.mark.parametrize(
    ("machine", "listed", "lacking"),
    [
        ("x86_64", "flags\t\t: fpu sse4_2 avx\n", "avx2"),
        ("x86_64", "flags\t\t: fpu avx2 avx512f\n", ""),
        ("aarch64", "Features\t: fp asimd\n", "asimddp"),
        ("arm64", "", ""),
        ("x86_64", "", ""),
    ],
)
def test_a_processor_without_the_instructions_is_told_to_use_f32(
    paths, monkeypatch, tmp_path, machine, listed, lacking
):
    (tmp_path / "cpuinfo").write_text(listed)
    monkeypatch.setattr(instructions, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert instructions.lacks() == lacking
    if lacking:
        with pytest.raises(EngineError, match=rf"lacks {lacking.upper()}, .* precision = 'f32'"):
            MoshiOnnx(**paths, precision="q4").load()


def test_files_that_do_not_fit_are_refused_in_a_sentence(folder, paths, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(small_lm.CONFIG | {"text_card": 500}), encoding="utf-8")
    with pytest.raises(
        WeightsError, match=r"text_emb.weight is 401x64, and config.json asks for 501x64"
    ):
        MoshiOnnx(**paths | {"config": str(config)}, precision="q4").load()
    short = tmp_path / "model.safetensors"
    short.write_bytes((folder / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"truncated: 9 of its"):
        MoshiOnnx(**paths | {"lm": str(short)}, precision="q4").load()
    file, _ = small_lm.as_mlx(small_lm.tensors(), 8)
    eight = small_lm.write_mlx(tmp_path / "model.q8.safetensors", file)
    with pytest.raises(WeightsError, match=r"text_emb.weight is 401x16, and .* asks for 401x8"):
        MoshiOnnx(**paths | {"lm": str(eight)}, precision="q4").load()
    with pytest.raises(WeightsError, match=r"is quantised, and precision = 'f32' asks for a whole"):
        MoshiOnnx(**paths | {"lm": str(eight)}, precision="f32").load()
