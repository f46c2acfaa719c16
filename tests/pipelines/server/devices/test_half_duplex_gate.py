"""The microphone of a half-duplex device, to the sample."""

import numpy as np
import pytest

from pipelines.clock import NS_PER_MS
from pipelines.errors import SpecError
from pipelines.server.devices.gate import HalfDuplexGate
from pipelines.spec import load_spec, parse_spec

MS = NS_PER_MS
RATE_HZ = 24_000


def block(ms=10):
    return np.ones(RATE_HZ * ms // 1000, np.float32)


def closed_samples(gate, start_ms, ms=10):
    """Half-open stretch of a block that is silent; None: none is."""
    heard = gate.filtered(block(ms), (start_ms + ms) * MS, RATE_HZ)
    silent = np.flatnonzero(heard == 0)
    if not len(silent):
        return None
    assert len(silent) == silent[-1] - silent[0] + 1  # one stretch
    return int(silent[0]), int(silent[-1]) + 1


def test_the_microphone_closes_with_the_first_sound_and_opens_a_cool_down_after_the_last():
    gate = HalfDuplexGate(300)
    gate.sounds(1_000 * MS, 1_500 * MS)
    assert [gate.is_open(t * MS) for t in (999, 1_000, 1_799, 1_800)] == [True, False, False, True]
    assert closed_samples(gate, 985) is None
    assert closed_samples(gate, 995) == (120, 240)  # 5 of 10 ms
    assert closed_samples(gate, 1_200) == (0, 240)
    assert closed_samples(gate, 1_793) == (0, 168)  # 7 of 10 ms
    assert closed_samples(gate, 1_803) is None


def test_sounds_that_follow_within_the_cool_down_keep_it_closed_and_later_ones_close_it_again():
    gate = HalfDuplexGate(100)
    gate.sounds(0, 50 * MS)
    gate.sounds(150 * MS, 200 * MS)  # exactly when it would open
    gate.sounds(500 * MS, 510 * MS)
    assert [gate.is_open(t * MS) for t in (149, 150, 299, 300, 499, 500, 609, 610)] == [
        False, False, False, True, True, False, False, True,
    ]  # fmt: skip
    heard = gate.filtered(block(700), 700 * MS, RATE_HZ)
    assert int((heard == 0).sum()) == (300 + 110) * 24


def test_a_cool_down_of_0_closes_it_for_the_sound_alone_and_a_shorter_one_never_opens_it_earlier():
    gate = HalfDuplexGate(0)
    gate.sounds(10 * MS, 40 * MS)
    gate.sounds(20 * MS, 30 * MS)
    gate.sounds(35 * MS, 35 * MS)  # nothing
    assert closed_samples(gate, 0, 60) == (240, 960)


def test_a_full_duplex_device_hears_always_and_its_block_is_not_copied():
    gate = HalfDuplexGate(None)
    gate.sounds(0, 10_000 * MS)
    pcm = block()
    assert gate.is_open(5 * MS) and gate.filtered(pcm, 10 * MS, RATE_HZ) is pcm


def test_what_is_past_is_forgotten_and_the_block_given_is_left_as_it_was():
    gate = HalfDuplexGate(0)
    for k in range(100):
        gate.sounds(20 * k * MS, (20 * k + 10) * MS)
        pcm = block()
        gate.filtered(pcm, (20 * k + 10) * MS, RATE_HZ)
        assert pcm.all()
    assert len(gate._closed) == 1


PRESET = """title = "t"
architecture = "click"
kind = "click"
weights = "scripted"
"""


def test_a_preset_says_what_it_asks_of_a_device():
    assert load_spec("cascade-embedded").device.speaker.cool_down_ms is None
    text = f"{PRESET}[device]\nmicrophone = false\nspeaker.cool_down_ms = 250\n"
    device = parse_spec("p", text).device
    assert (device.microphone, device.speaker.cool_down_ms) == (False, 250)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[device.speaker]\ncool_down_ms = -1", "must be from 0 to 10000 ms"),
        ("[device.speaker]\ncooldown_ms = 1", "did you mean 'cool_down_ms'"),
        ("[device]\nmicrophon = true", "did you mean 'microphone'"),
        ("[device]\nspeaker = 3", "a table is needed, not 3"),
    ],
)
def test_a_wrong_device_table_is_refused_in_a_sentence(table, said):
    with pytest.raises(SpecError, match=said):
        parse_spec("p", PRESET + table)
