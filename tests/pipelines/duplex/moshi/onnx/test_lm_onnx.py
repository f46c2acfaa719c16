"""Moshi's language model in ONNX Runtime: token by token what numpy computes."""

import numpy as np
import pytest

from pipelines.duplex.moshi.onnx import cached
from pipelines.duplex.moshi.onnx.graphs.lm_checkpoint import LmCheckpoint, lm_shape
from pipelines.duplex.moshi.onnx.graphs.quantised import Quantised, of_mlx, quantise
from pipelines.duplex.moshi.onnx.lm import LmConversation, OnnxLm
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Reader
from tests.pipelines.duplex.moshi.onnx import small_lm

STEPS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "cache_folder", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def weights():
    return small_lm.tensors()


@pytest.fixture(scope="module")
def lm(folder, weights):
    path, config = small_lm.write(folder, weights)
    return OnnxLm(path, small_lm.CONFIG, str(config), precision="f32")


@pytest.fixture(scope="module")
def heard():
    return np.random.default_rng(1).integers(0, small_lm.CARD, (STEPS, 8))


def greedy(lm, **options):
    return LmConversation(lm, temperature=0.0, text_temperature=0.0, **options)


def said(step):
    return None if step.codes is None else [step.text, *step.codes]


def test_each_token_of_a_greedy_conversation_is_that_of_numpy(lm, weights, heard):
    whole, ours = small_lm.Greedy(weights), greedy(lm)
    for i, codes in enumerate(heard):
        forced = 7 if i in (3, 4) else None
        vector = np.full(small_lm.DIM, 0.5, np.float32) if 5 <= i < 8 else None
        ours.condition(vector)
        wanted = whole.step(codes, forced, 0.5 if vector is not None else 0.0)
        found = said(ours.step(codes, forced))
        assert found == (None if wanted is None else wanted.tolist()), i
        if i in (4, 5):
            assert found[0] == 7  # the text of the step before


def test_two_conversations_on_the_same_weights_do_not_meet(lm, heard):
    alone = [said(c) for c in map(greedy(lm).step, heard)]
    one, other = greedy(lm), greedy(lm)
    for i in range(STEPS):
        assert said(one.step(heard[i])) == alone[i]
        other.step(heard[-1 - i])


def test_the_same_seed_says_the_same_and_temperature_says_other_things(lm, heard):
    def talk(seed, **options):
        conversation = LmConversation(lm, seed, **options)
        return [said(conversation.step(codes)) for codes in heard]

    assert talk(5) == talk(5) != talk(6)
    cold = talk(5, temperature=0.01, text_temperature=0.01)
    assert (
        np.mean([a == b for a, b in zip(cold, map(said, map(greedy(lm).step, heard)), strict=True)])
        > 0.8
    )


def test_the_two_parts_of_a_step_are_timed_apart(lm, heard):
    ticks = iter(range(0, 100, 10))
    step = greedy(lm, clock=lambda: next(ticks)).step(heard[0])
    assert (step.temporal, step.depth) == ((0, 10), (10, 20))


def test_the_context_is_as_long_as_the_config_says(lm, heard):
    conversation = greedy(lm)
    for i in range(small_lm.CONTEXT):
        conversation.step(heard[i % STEPS])
    with pytest.raises(ValueError, match="the context of 24 steps is full"):
        conversation.step(heard[0])
    assert conversation.state_bytes == 2 * 2 * 24 * 64 * 4


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_file_under_moshi_mlxs_names_is_the_model_of_its_rounded_weights(
    folder, weights, heard, bits
):
    file, rounded = small_lm.as_mlx(weights, bits)
    path = small_lm.write_mlx(folder / f"model.q{bits}.safetensors", file)
    ours = greedy(OnnxLm(path, small_lm.CONFIG, "config.json", precision=f"q{bits}"))
    whole, same = small_lm.Greedy(rounded), []
    for i, codes in enumerate(heard):
        whole.step(codes)
        ours.step(codes)
        # Products and the past round to 8 bits, too, and a random model's next token is touchy.
        error = ours._temporal.said["hidden"][0] - whole.hidden
        assert np.sqrt((error**2).sum() / (whole.hidden**2).sum()) < 0.05
        own = ours._tokens[:9, (i + 1) % ours._slots]
        same.append(own == whole.said[-1])
        own[...] = whole.said[-1]  # so that one other token is not all the others
    assert np.mean(same) > 0.8


@pytest.mark.parametrize(
    "name", ["text_linear", "depformer.slices.3.transformer.layers.1.gating.linear_in"]
)
def test_a_whole_file_is_rounded_here_to_the_very_levels_of_a_quantised_one(folder, weights, name):
    shape = lm_shape(small_lm.CONFIG, "config.json")
    path, _ = small_lm.write(folder, weights, "levels.safetensors")
    file, _ = small_lm.as_mlx(weights, 4)
    other = small_lm.write_mlx(folder / "levels.q4.safetensors", file)
    size = (small_lm.TEXTS, 64) if name == "text_linear" else (128, 32)
    here, there = (LmCheckpoint(Reader(p), shape, "q4").matrix(name, *size) for p in (path, other))
    assert isinstance(here, Quantised) and isinstance(there, Quantised)
    assert np.array_equal(here.levels, there.levels) and np.array_equal(here.zeros, there.zeros)
    assert np.array_equal(here.scales, there.scales)


def test_a_group_is_met_exactly_at_zero_and_at_its_largest_weight():
    rows = np.array([[-0.5, 0.25, 0.0, 0.1] * 8, [0.3, 0.6, 0.9, 0.0] * 8], np.float32)
    for bits in (4, 8):
        found = quantise(rows, bits).dense()
        assert np.abs(found[rows == 0]).max() == 0
        assert found[0, 0] == -0.5 and found[1, 2] == np.float32(0.9)
        assert np.abs(found - rows).max() <= 0.9 / (2**bits - 1) / 2 + 1e-6


def test_a_word_of_mlx_holds_its_weights_from_the_lowest_bits_on():
    levels = np.arange(32) % 16
    words = np.array([[sum(int(v) << (4 * i) for i, v in enumerate(levels[a : a + 8]))
                       for a in range(0, 32, 8)]], np.uint32)  # fmt: skip
    scales, biases = np.array([[0.5]], np.float32), np.array([[-4.0]], np.float32)
    found = of_mlx(words, scales, biases, 4)
    assert found.zeros.tolist() == [[8]] and found.group == 32
    assert found.dense()[0].tolist() == (0.5 * levels - 4.0).tolist()
    # Weights far from 0, for which 4 bits have no level: rounded again, by half a step at most.
    far = of_mlx(words, scales, np.array([[20.0]], np.float32), 4).dense()[0]
    assert np.abs(far - (0.5 * levels + 20.0)).max() <= 27.5 / 15 / 2 + 1e-5


def test_a_model_of_another_kind_is_refused_in_a_sentence(folder, weights):
    path, config = small_lm.write(folder, weights, "kind.safetensors")
    for name, value in (("gating", "none"), ("fuser", {"sum": ["x"]}), ("kv_repeat", 2)):
        with pytest.raises(WeightsError, match=rf"config.json: {name} = .* use backend = 'torch'"):
            OnnxLm(path, small_lm.CONFIG | {name: value}, str(config), precision="f32")


def test_a_missing_or_misshapen_tensor_is_named(folder, weights):
    config = small_lm.CONFIG
    lacking = {
        k: v for k, v in weights.items() if k != "depformer.layers.1.gating.3.linear_in.weight"
    }
    path, _ = small_lm.write(folder, lacking, "lacking.safetensors")
    with pytest.raises(WeightsError, match=r"has no tensor depformer.layers.1.gating.3.linear_in"):
        OnnxLm(path, config, "config.json", precision="f32")
    wide = weights | {
        "transformer.layers.1.self_attn.out_proj.weight": np.ones((64, 65), np.float32)
    }
    path, _ = small_lm.write(folder, wide, "wide.safetensors")
    with pytest.raises(WeightsError, match=r"out_proj.weight is 64x65, and .* ask for 64x64"):
        OnnxLm(path, config, "config.json", precision="f32")
