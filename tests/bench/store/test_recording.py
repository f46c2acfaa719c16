"""Recordings are kept to the sample."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.store.atomic import StoreError
from bench.store.recording import read_recording, write_recording


@pytest.mark.parametrize("n", [1, 2, 4410])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000])
def test_a_recording_comes_back_sample_by_sample(tmp_path: Path, n: int, rate_hz: int) -> None:
    rng = np.random.default_rng(n)
    pcm = rng.integers(-32768, 32768, (n, 2)).astype(np.int16)
    path = tmp_path / "audio" / "a.flac"
    write_recording(path, pcm, rate_hz)
    back, rate = read_recording(path)
    np.testing.assert_array_equal(back, pcm)
    assert rate == rate_hz and back.dtype == np.int16 and back.shape == (n, 2)
    assert [p.name for p in path.parent.iterdir()] == ["a.flac"]


@pytest.mark.parametrize(
    "pcm", [np.zeros(9, np.int16), np.zeros((9, 2)), np.zeros((9, 1), np.int16)]
)
def test_what_is_no_stereo_int16_is_refused(tmp_path: Path, pcm: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"a recording is \(n, 2\) int16"):
        write_recording(tmp_path / "a.flac", pcm, 16_000)


def test_an_empty_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without samples"):
        write_recording(tmp_path / "a.flac", np.zeros((0, 2), np.int16), 16_000)


def test_a_missing_a_damaged_and_a_mono_file_are_distinguished(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    with pytest.raises(StoreError, match="the recording is missing"):
        read_recording(path)
    path.write_bytes(b"not a flac")
    with pytest.raises(StoreError, match="the recording is damaged"):
        read_recording(path)
    soundfile.write(path, np.zeros(10, np.int16), 16_000)
    with pytest.raises(StoreError, match="has 2 channels, this has 1"):
        read_recording(path)
