"""The ear of duplex-nano: streaming equals offline, a complete reset, no look-ahead, bad files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.duplex.nano.ear import PIECE, NanoEar, words_told
from pipelines.duplex.nano.files import PACKAGED, sha256_of
from pipelines.duplex.nano.names import EAR_NAME, EAR_WORDS
from pipelines.duplex.nano.sound import FRAME
from pipelines.weights.error import WeightsError

TINY = Path(__file__).parent / "nano_tiny"


@pytest.fixture(scope="module")
def ear() -> NanoEar:
    return NanoEar(TINY)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return (0.1 * np.random.default_rng(7).standard_normal(25 * FRAME)).astype(np.float32)


def test_frame_by_frame_gives_what_the_whole_signal_gives_at_once(ear, sound):
    whole, session = ear.hear(sound), ear.open()
    pieces = np.concatenate([session.vectors(frame) for frame in sound.reshape(-1, FRAME)])
    assert whole.shape == (25, 96 + 1 + 3) and whole.dtype == np.float32
    assert np.abs(whole - pieces).max() < 1e-4
    assert np.abs(whole).max() > 0


def test_a_frames_vector_looks_at_no_sample_after_the_frame(ear, sound):
    other = sound.copy()
    other[10 * FRAME :] = 0
    one, two = ear.hear(sound), ear.hear(other)
    assert np.array_equal(one[:10], two[:10])
    assert np.abs(one[10:] - two[10:]).max() > 1e-3


def test_a_new_session_knows_nothing_of_the_one_before(ear, sound):
    first = ear.open().vectors(sound[:FRAME])
    ear.open().vectors(sound)
    assert np.array_equal(first, ear.open().vectors(sound[:FRAME]))


def test_ten_minutes_leave_no_more_state_than_one_frame(ear, sound):
    session = ear.open()
    session.vectors(sound[:FRAME])
    size = session.state_bytes
    vectors = session.vectors(np.tile(sound, 300))
    assert session.state_bytes == size and np.isfinite(vectors).all()


def test_a_long_signal_is_heard_in_pieces_and_alike(ear, sound):
    long = np.tile(sound, 11)
    session = ear.open()
    assert len(long) > PIECE * FRAME
    pieces = np.concatenate([session.vectors(part) for part in np.split(long, 25)])
    assert np.abs(ear.hear(long) - pieces).max() < 1e-4


def test_the_words_are_the_likeliest_of_each_frame_and_repeats_count_once():
    told = np.zeros((7, 96 + 3), np.float32)
    told[:, :96] = 9  # the sound is no word
    told[range(7), 96 + np.array([0, 2, 2, 0, 2, 1, 1])] = 1
    assert list(words_told(told, ("go", "left"))) == ["left", "left", "go"]


def test_odd_numbers_of_samples_are_refused(ear):
    with pytest.raises(ValueError, match="100 samples are not a whole number of frames of 1920"):
        ear.open().vectors(np.zeros(100, np.float32))


def test_a_missing_file_and_another_graph_are_reported_in_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=f"{EAR_NAME} is missing"):
        NanoEar(tmp_path)
    (tmp_path / EAR_NAME).write_bytes((TINY / EAR_NAME).read_bytes())
    with pytest.raises(WeightsError, match=f"{EAR_WORDS} can't be read"):
        NanoEar(tmp_path)
    (tmp_path / EAR_NAME).write_bytes((TINY / "codec_decoder.onnx").read_bytes())
    with pytest.raises(WeightsError, match="takes codes, state and should take mel, state"):
        NanoEar(tmp_path)


def test_the_shipped_ear_is_the_one_that_its_card_describes():
    card = json.loads((PACKAGED / "nano.json").read_text(encoding="utf-8"))
    file = PACKAGED / EAR_NAME
    assert card["files"][EAR_NAME] == {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
    assert "ear" in card["trained"]
    assert NanoEar(PACKAGED).hear(np.zeros(3 * FRAME, np.float32)).shape == (3, 96 + 408)
