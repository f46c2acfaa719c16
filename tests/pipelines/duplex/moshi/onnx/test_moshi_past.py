"""Keys and values in 8 bits: scales that grow, and nothing that is cut off."""

import numpy as np
import pytest

from pipelines.duplex.moshi.onnx import cached
from pipelines.duplex.moshi.onnx.lm import LmConversation, OnnxLm
from pipelines.duplex.moshi.onnx.past import Past, scales_of
from tests.pipelines.duplex.moshi.onnx import small_lm

STEPS = 20


def fresh(*keys):
    """Values of a step: (1, 2, 1, 1, channels), with values like the keys."""
    return np.array([keys, keys], np.float32).reshape(1, 2, 1, 1, -1)


def write(past, values, at):
    """What the graph does: rounds, and cuts off."""
    levels = np.clip(np.rint(values / past.scales), -127, 127)
    past.entries[:, :, 0, :, at] = levels[:, :, :, 0].astype(np.int8)


def begun(*keys):
    """A past with that first step."""
    past = Past(layers=1, heads=1, steps=4, width=2, scales=scales_of(fresh(*keys)))
    write(past, fresh(*keys), 0)
    return past


def test_scales_begin_with_a_quarter_more_than_the_largest_value_of_their_head():
    past = begun(1.0, -0.5)
    assert past.scales.reshape(2, 2).tolist() == [[np.float32(1.25) / 127] * 2] * 2
    assert past.entries[0, 0, 0, 0, 0].tolist() == [102, -51]


def test_for_a_value_beyond_its_channels_range_the_channels_past_is_rounded_anew():
    past = begun(1.0, -0.5)
    write(past, fresh(3.0, 1.25), 1)
    assert past.entries[0, 0, 0, 0, 1].tolist() == [127, 127]  # one is cut off, one just fits
    past.fit(fresh(3.0, 1.25), 1)
    assert past.entries[0, 1, 0, 0, :2].tolist() == [[34, -51], [102, 127]]
    kept = past.entries[0, 0, 0, 0, :2] * past.scales[0, 0, 0]
    assert np.abs(kept - [[1.0, -0.5], [3.0, 1.25]]).max() <= past.scales.max() / 2 * 1.5


def test_a_silent_head_has_a_scale_too():
    past = begun(0.0, 0.0)
    assert (past.scales > 0).all()
    past.fit(fresh(0.0, 2.0), 1)
    assert past.entries[0, 0, 0, 0, 1].tolist() == [0, 102]


def test_in_f32_there_are_no_scales():
    past = Past(layers=2, heads=1, steps=4, width=2)
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
    used = np.abs(past.entries[:, :, 0, :, :STEPS]).max(axis=3)
    assert (used >= 32).mean() > 0.95  # of 127 levels: hardly a channel has two bits to spare


def test_a_conversation_begins_with_the_scales_of_its_first_step_whatever_was_said_before(lm):
    def first():
        conversation = LmConversation(lm)
        conversation.step(np.zeros(8, np.int64))
        return conversation._temporal.said["fresh"].copy(), conversation._past.scales

    values, scales = first()
    np.testing.assert_allclose(scales, scales_of(values), rtol=0.02)
    assert np.array_equal(scales, lm.scales)
    conversation = LmConversation(lm)
    conversation.condition(np.full(small_lm.DIM, 9.0, np.float32))
    for _ in range(3):
        conversation.step(np.ones(8, np.int64))
    assert not np.array_equal(conversation._past.scales, lm.scales)
    assert np.array_equal(first()[1], scales)
