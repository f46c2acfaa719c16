import numpy as np
import pytest

from pipelines.audio.openness import Smoother, openness


def square(amplitude, n=1920):
    """A signal whose RMS is its amplitude."""
    return np.where(np.arange(n) % 2, amplitude, -amplitude).astype(np.int16)


def test_silence_and_nothing_close_the_mouth():
    assert openness(np.zeros(1920, np.int16)) == 0.0
    assert openness(np.zeros(0, np.int16)) == 0.0


def test_the_level_half_way_between_silence_and_a_full_voice_is_half_open():
    amplitude = 32768 * 10 ** (-30 / 20)  # −30 dBFS lies between −45 and −15
    assert openness(square(round(amplitude))) == pytest.approx(0.5, abs=2e-4)


def test_loud_is_clamped_to_one_and_quiet_to_zero():
    assert openness(square(32767)) == 1.0
    assert openness(square(100)) == 0.0  # −50 dBFS


def test_ten_decibels_more_open_the_mouth_by_a_third():
    soft, loud = (openness(square(round(32768 * 10 ** (db / 20)))) for db in (-40, -30))
    assert loud - soft == pytest.approx(1 / 3, abs=1e-3)


def test_the_smoother_rises_quickly_and_falls_slowly():
    follow = Smoother(rise=0.8, fall=0.5)
    assert [follow.step(1.0), follow.step(1.0)] == pytest.approx([0.8, 0.96])
    assert [follow.step(0.0), follow.step(0.0)] == pytest.approx([0.48, 0.24])
