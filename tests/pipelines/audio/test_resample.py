"""Whole-signal resampling and level arithmetic."""

import numpy as np
import pytest

from pipelines.audio.levels import (
    as_floats,
    as_int16,
    gain,
    mix_at_snr,
    pink_noise,
    rms_dbfs,
)
from pipelines.audio.resample import resample

RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]


@pytest.mark.parametrize("from_hz", RATES)
@pytest.mark.parametrize("to_hz", RATES)
def test_resampling_keeps_every_moment_in_its_place(from_hz: int, to_hz: int) -> None:
    def bump(rate_hz: int) -> np.ndarray:  # a smooth pulse of a 500 Hz tone around 0.5 s
        t = np.arange(rate_hz) / rate_hz - 0.5
        return 0.5 * np.cos(2 * np.pi * 500 * t) * np.exp(-((t / 0.02) ** 2))

    out = resample(bump(from_hz), from_hz, to_hz)
    assert out.shape == (to_hz,)
    assert np.abs(out - bump(to_hz)).max() < 1e-3


def test_resampling_keeps_the_type_and_rounds_the_length() -> None:
    pcm = np.full(1001, 1000, np.int16)
    out = resample(pcm, 44_100, 16_000)
    assert out.dtype == np.int16
    assert out.size == round(1001 * 16_000 / 44_100)
    assert resample(np.zeros(0, np.float32), 44_100, 16_000).dtype == np.float32


def test_resampling_clips_int16_overshoot_instead_of_wrapping_around() -> None:
    pcm = np.repeat(np.array([32767, -32768], np.int16), 50)
    out = resample(np.tile(pcm, 20), 16_000, 48_000)
    steady = out[5 * 150 + 40 : 5 * 150 + 110]
    assert (steady > 20_000).all() or (steady < -20_000).all()


def test_resampling_refuses_stereo_and_impossible_rates() -> None:
    with pytest.raises(ValueError, match="mono"):
        resample(np.zeros((10, 2)), 8_000, 16_000)
    with pytest.raises(ValueError, match="positive"):
        resample(np.zeros(10), 0, 16_000)


def test_int16_survives_the_way_through_floats() -> None:
    pcm = np.arange(-32768, 32768).astype(np.int16)
    assert np.array_equal(as_int16(as_floats(pcm)), pcm)
    assert as_int16(np.array([1.5, -1.5])).tolist() == [32767, -32768]


def test_levels_are_in_dbfs_of_rms() -> None:
    assert rms_dbfs(np.full(10, 0.1)) == pytest.approx(-20)
    assert rms_dbfs(gain(np.full(10, 0.1), -20)) == pytest.approx(-40)
    assert rms_dbfs(np.zeros(0)) == rms_dbfs(np.zeros(5)) == float("-inf")


def test_a_mixture_has_the_ratio_asked_for_where_there_is_speech() -> None:
    rng = np.random.default_rng(4)
    speech = np.concatenate([np.zeros(8000), rng.standard_normal(8000) * 0.1])
    where = speech != 0
    mixed = mix_at_snr(speech, rng.standard_normal(16_000), 10, where)
    assert rms_dbfs(speech[where]) - rms_dbfs((mixed - speech)[where]) == pytest.approx(10)
    with pytest.raises(ValueError, match="silent"):
        mix_at_snr(speech, np.zeros(16_000), 10, where)


def test_pink_noise_falls_by_3_db_per_octave() -> None:
    power = np.abs(np.fft.rfft(pink_noise(1 << 18, np.random.default_rng(5)))) ** 2
    low, high = (power[b : 2 * b].mean() for b in (1 << 13, 1 << 15))
    assert 10 * np.log10(low / high) == pytest.approx(6, abs=0.3)
