"""Keys and values in 8 bits: scales that grow, and nothing that is cut off."""

import numpy as np
import pytest

from pipelines.duplex.moshi.onnx import cached
from pipelines.duplex.moshi.onnx.lm import LmConversation, OnnxLm
from pipelines.duplex.moshi.onnx.past import Past
from tests.pipelines.duplex.moshi.onnx import small_lm

STEPS = 20


def fresh(*keys):
    """Values of a step: (1, 2, 1, 1, channels), with values like the keys."""
    return np.array([keys, keys], np.float32).reshape(1, 2, 1, 1, -1)


def write(past, values, at):
    """What the graph does: rounds, and cuts off."""
    levels = np.clip(np.rint(values / past.scales), -127, 127)
    past.entries[:, :, 0, :, at] = levels[:, :, :, 0].astype(np.int8)


def test_a_first_step_sets_the_scales_by_its_heads_largest_value_and_is_computed_again():
    past = Past(layers=1, heads=1, steps=4, width=2)
    assert past.fit(fresh(1.0, -0.5), 0)
    assert past.scales.reshape(2, 2).tolist() == [[np.float32(1.25) / 127] * 2] * 2
    write(past, fresh(1.0, -0.5), 0)
    assert past.entries[0, 0, 0, 0, 0].tolist() == [102, -51]


def test_for_a_value_beyond_its_channels_range_the_channels_past_is_rounded_anew():
    past = Past(layers=1, heads=1, steps=4, width=2)
    past.fit(fresh(1.0, -0.5), 0)
    write(past, fresh(1.0, -0.5), 0)
    write(past, fresh(3.0, 1.25), 1)
    assert past.entries[0, 0, 0, 0, 1].tolist() == [127, 127]  # one is cut off, one just fits
    assert not past.fit(fresh(3.0, 1.25), 1)
    assert past.entries[0, 1, 0, 0, :2].tolist() == [[34, -51], [102, 127]]
    kept = past.entries[0, 0, 0, 0, :2] * past.scales[0, 0, 0]
    assert np.abs(kept - [[1.0, -0.5], [3.0, 1.25]]).max() <= past.scales.max() / 2 * 1.5


def test_a_silent_head_has_a_scale_too():
    past = Past(layers=1, heads=1, steps=4, width=2)
    past.fit(fresh(0.0, 0.0), 0)
    assert (past.scales > 0).all()
    past.fit(fresh(0.0, 2.0), 1)
    assert past.entries[0, 0, 0, 0, 1].tolist() == [0, 102]


def test_in_f32_there_are_no_scales():
    past = Past(layers=2, heads=1, steps=4, width=2, is_exact=True)
    assert sorted(past.arrays()) == ["keys_0", "keys_1", "values_0", "values_1"]
    assert past.entries.dtype == np.float32


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("past")
    path, config = small_lm.write(folder, small_lm.tensors())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "cache_folder", lambda: folder)
        yield OnnxLm(path, small_lm.CONFIG, str(config), precision="q8")


def test_no_step_of_a_conversation_is_cut_off_in_its_past(lm):
    conversation, wanted = LmConversation(lm), []
    for i, codes in enumerate(np.random.default_rng(1).integers(0, small_lm.CARD, (STEPS, 8))):
        conversation.condition(np.full(small_lm.DIM, 0.2 * i, np.float32))
        conversation.step(codes)
        wanted.append(conversation._temporal.said["fresh"][:, :, :, 0].copy())
    past = conversation._past
    kept = past.entries[:, :, 0, :, :STEPS] * past.scales  # (layers, 2, heads, steps, width)
    errors = np.abs(kept - np.stack(wanted, axis=3)) / past.scales
    assert errors.max() < 2  # each time that a channel is rounded anew, by half a level at most
    assert (np.abs(past.entries[:, :, 0, :, :STEPS]).max(axis=3) >= 60).mean() > 0.9  # ranges fit
