"""The codec's runtime: streaming equals offline, its delay, a complete reset, bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.audio.resample import resample
from pipelines.duplex.nano_codec import DECODER, ENCODER, PACKAGED, NanoCodec
from pipelines.duplex.nano_sound import (
    FRAME,
    HOP,
    MEL_WINDOW,
    RATE_HZ,
    WINDOW,
    LogMel,
    OverlapAdd,
    hann,
    mel_filters,
)
from pipelines.duplex.weights_error import WeightsError

SPEECH = Path(__file__).parents[3] / "fixtures" / "barge_in_stop.1.wav"


@pytest.fixture(scope="module")
def codec() -> NanoCodec:
    return NanoCodec(PACKAGED)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    rng = np.random.default_rng(7)
    t = np.arange(25 * FRAME) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    swell = np.clip(np.sin(2 * np.pi * 1.3 * t), 0, 1)
    return (0.1 * buzz * swell + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


def test_frame_by_frame_gives_what_the_whole_signal_gives_at_once(codec, sound):
    whole = codec.encode(sound)
    session = codec.open()
    pieces = [session.encode(frame) for frame in sound.reshape(-1, FRAME)]
    assert np.array_equal(whole.codes, [codes for codes, _ in pieces])
    assert np.abs(whole.vectors - [vector for _, vector in pieces]).max() < 1e-4
    decoded = np.concatenate([session.decode(codes) for codes in whole.codes])
    assert np.abs(codec.decode(whole.codes) - decoded).max() < 1e-4
    assert np.abs(decoded).max() > 0


def test_shapes_and_types_are_the_contracts(codec, sound):
    codes, vector = codec.open().encode(sound[:FRAME])
    assert (codes.shape, codes.dtype) == ((8,), np.int64)
    assert (vector.shape, vector.dtype) == ((96,), np.float32)
    pcm = codec.open().decode(codes)
    assert (pcm.shape, pcm.dtype) == ((FRAME,), np.float32)


def test_an_impulse_is_heard_after_one_frame_and_no_more_than_750_samples(codec):
    silence = codec.decode(codec.encode(np.zeros(20 * FRAME, np.float32)).codes)
    for place in range(10 * FRAME, 11 * FRAME, 480):
        pcm = np.zeros(20 * FRAME, np.float32)
        pcm[place] = 0.9
        changed = (codec.decode(codec.encode(pcm).codes) - silence).astype(float) ** 2
        # Its frame is given back when it is whole: 1920 samples. Nothing sounds before that …
        assert not changed[: 10 * FRAME].any()
        # … and half of its energy lies within the frame's spectra: 480 of delay, 40 ms of window.
        half = int(np.searchsorted(np.cumsum(changed), changed.sum() / 2)) - place
        assert 0 < half <= 750, half


def test_speech_comes_back_aligned_within_the_delay_that_the_weights_tell(codec):
    pcm, rate = soundfile.read(SPEECH, dtype="float32")
    speech = resample(pcm, int(rate), RATE_HZ).astype(np.float32)
    speech = speech[: len(speech) // FRAME * FRAME]
    decoded = codec.decode(codec.encode(speech).codes)
    one, two = (_loudness(x) for x in (speech, decoded))
    likeness = [one[: len(one) - lag] @ two[lag:] for lag in range(61)]
    lag = int(np.argmax(likeness)) * _STEP
    assert codec.delay == 480
    # Smeared over 40 ms, an onset begins early: somewhat less than the delay, and never more.
    assert codec.delay / 3 <= lag <= codec.delay + _STEP
    assert max(likeness) > 0.9 * np.linalg.norm(one) * np.linalg.norm(two)


_STEP = 24


def _loudness(pcm: np.ndarray) -> np.ndarray:
    power = np.convolve(pcm.astype(float) ** 2, np.hanning(240), "same")[::_STEP]
    level = np.log10(power + 1e-6)
    return level - level.mean()


def test_a_new_session_knows_nothing_of_the_one_before(codec, sound):
    first, second = codec.open(), codec.open()
    for frame in sound.reshape(-1, FRAME):
        first.decode(first.encode(frame)[0])
    third = codec.open()
    for frame in sound.reshape(-1, FRAME)[:4]:
        (codes, vector), (again, same) = second.encode(frame), third.encode(frame)
        assert np.array_equal(codes, again) and np.array_equal(vector, same)
        assert np.array_equal(second.decode(codes), third.decode(codes))


def test_a_frames_codes_look_at_no_sample_after_the_frame(codec, sound):
    other = sound.copy()
    other[10 * FRAME :] = np.random.default_rng(1).standard_normal(15 * FRAME) * 0.1
    one, two = codec.encode(sound), codec.encode(other)
    assert np.array_equal(one.codes[:10], two.codes[:10])
    assert not np.array_equal(one.codes[10:], two.codes[10:])


def test_ten_minutes_leave_no_more_state_than_one_frame(codec, sound):
    session = codec.open()
    session.decode(session.encode(sound[:FRAME])[0])
    sizes = session._heard.nbytes + session._said.nbytes
    session.decode_frames(session.encode_frames(np.tile(sound, 300)).codes)
    assert session._heard.nbytes + session._said.nbytes == sizes
    assert np.isfinite(session._heard).all() and np.isfinite(session._said).all()


def test_odd_numbers_of_samples_are_refused(codec):
    with pytest.raises(ValueError, match="100 samples are no whole number of frames of 1920"):
        codec.open().encode(np.zeros(100, np.float32))


def test_a_missing_file_and_one_cut_short_are_told_in_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=f"{ENCODER} is missing"):
        NanoCodec(tmp_path)
    for name in (ENCODER, DECODER):
        (tmp_path / name).write_bytes((PACKAGED / name).read_bytes())
    (tmp_path / DECODER).write_bytes((PACKAGED / DECODER).read_bytes()[:5000])
    with pytest.raises(WeightsError, match=f"{DECODER} is no graph of the codec") as caught:
        NanoCodec(tmp_path)
    assert "\n" not in str(caught.value)


def test_log_mel_of_a_sine_peaks_in_its_band_and_silence_is_the_floor():
    assert np.allclose(LogMel()(np.zeros(HOP, np.float32)), np.log(1e-3))
    sine = 0.5 * np.sin(2 * np.pi * 1500 * np.arange(FRAME) / RATE_HZ).astype(np.float32)
    last = LogMel()(sine)[-1]
    peak = mel_filters()[64].argmax()  # the band with 1500 Hz: bin 64 of 1024 at 24 kHz
    assert last.argmax() == peak
    # A full window of a sine of amplitude .5 under Hann: .5 · 1024 / 4 = 128 in its bin.
    assert last.max() == pytest.approx(
        np.log(128 * mel_filters()[63:66, peak] @ [0.5, 1, 0.5]), abs=0.05
    )


def test_analysis_then_overlap_add_gives_the_signal_back_720_samples_late(sound):
    past = np.concatenate([np.zeros(WINDOW - HOP, np.float32), sound])
    pieces = np.lib.stride_tricks.sliding_window_view(past, WINDOW)[::HOP]
    back = OverlapAdd()(np.fft.rfft(pieces * hann(WINDOW)))
    late = WINDOW - HOP
    assert np.abs(back[late:] - sound[:-late]).max() < 1e-6


def test_the_log_mel_window_ends_with_the_newest_sample():
    quiet, click = np.zeros(MEL_WINDOW, np.float32), np.zeros(2 * HOP, np.float32)
    click[HOP + 120] = 1.0
    mel = LogMel()
    mel(quiet[: 4 * HOP])
    heard = mel(click)
    assert np.allclose(heard[0], np.log(1e-3)) and (heard[1] > np.log(1e-3)).all()
