"""The agent's codec as it was trained: streaming equals offline, its delay, a reset, bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.audio.resample import resample
from pipelines.duplex.nano.names import DECODER
from pipelines.duplex.nano.sound import FRAME, RATE_HZ
from pipelines.weights.error import WeightsError
from training.nano_duplex.agent_codec import ENCODER, FOLDER, AgentCodec

SPEECH = Path(__file__).parents[3] / "fixtures" / "barge_in_stop.1.wav"


@pytest.fixture(scope="module")
def codec() -> AgentCodec:
    return AgentCodec(FOLDER)


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
    assert np.array_equal(whole.codes, [piece.codes[0] for piece in pieces])
    assert np.abs(whole.vectors - [piece.vectors[0] for piece in pieces]).max() < 1e-4
    voice = codec.voice.open()
    decoded = np.concatenate([voice.say(piece.codes) for piece in pieces])
    assert np.abs(codec.decode(whole.codes) - decoded).max() < 1e-4
    assert np.abs(decoded).max() > 0


def test_shapes_and_types_are_the_contracts(codec, sound):
    heard = codec.open().encode(sound[:FRAME])
    assert (heard.codes.shape, heard.codes.dtype) == ((1, 8), np.int64)
    assert (heard.vectors.shape, heard.vectors.dtype) == ((1, 96), np.float32)
    pcm = codec.decode(heard.codes)
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
    mouth, other = codec.voice.open(), codec.voice.open()
    for frame in sound.reshape(-1, FRAME):
        mouth.say(first.encode(frame).codes)
    third, again = codec.open(), codec.voice.open()
    for frame in sound.reshape(-1, FRAME)[:4]:
        one, two = second.encode(frame), third.encode(frame)
        assert np.array_equal(one.codes, two.codes) and np.array_equal(one.vectors, two.vectors)
        assert np.array_equal(other.say(one.codes), again.say(one.codes))


def test_a_frames_codes_look_at_no_sample_after_the_frame(codec, sound):
    other = sound.copy()
    other[10 * FRAME :] = np.random.default_rng(1).standard_normal(15 * FRAME) * 0.1
    one, two = codec.encode(sound), codec.encode(other)
    assert np.array_equal(one.codes[:10], two.codes[:10])
    assert not np.array_equal(one.codes[10:], two.codes[10:])


def test_ten_minutes_leave_no_more_state_than_one_frame(codec, sound):
    ear, voice = codec.open(), codec.voice.open()
    voice.say(ear.encode(sound[:FRAME]).codes)
    sizes = ear.state_bytes, voice.state_bytes
    pcm = voice.say(ear.encode(np.tile(sound, 300)).codes)
    assert (ear.state_bytes, voice.state_bytes) == sizes
    assert len(pcm) == 300 * len(sound) and np.isfinite(pcm).all()


def test_odd_numbers_of_samples_are_refused(codec):
    with pytest.raises(ValueError, match="100 samples are not a whole number of frames of 1920"):
        codec.open().encode(np.zeros(100, np.float32))


def test_a_missing_file_and_one_cut_short_are_told_in_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=f"{ENCODER} is missing"):
        AgentCodec(tmp_path)
    for name in (ENCODER, DECODER):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tmp_path / DECODER).write_bytes((FOLDER / DECODER).read_bytes()[:5000])
    with pytest.raises(WeightsError, match=f"{DECODER} can't be loaded") as caught:
        AgentCodec(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / ENCODER).write_bytes((FOLDER / DECODER).read_bytes())
    with pytest.raises(WeightsError, match="takes codes, state and should take mel, state"):
        AgentCodec(tmp_path)
