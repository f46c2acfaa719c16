"""The recording of a trial: what a person would have heard, as a stereo FLAC."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.store.atomic import StoreError, atomic_write, explained

Stereo = NDArray[np.int16]
"""(n, 2) int16: column 0 is the user, column 1 the agent."""

USER, AGENT = 0, 1
"""Columns of a recording."""


def write_recording(path: Path, pcm: Stereo, rate_hz: int) -> None:
    """Writes a recording, whole or not at all.

    Args:
        path: The ``.flac`` to write.
        pcm: (n, 2) int16, n ≥ 1.
        rate_hz: Samples per second.

    Raises:
        ValueError: the shape or the type is not that of a recording, or it is empty.
        StoreError: the file can't be written.
    """
    import soundfile

    if pcm.ndim != 2 or pcm.shape[1] != 2 or pcm.dtype != np.int16:
        raise ValueError(f"a recording is (n, 2) int16, not {pcm.shape} {pcm.dtype}")
    if len(pcm) == 0:  # libsndfile would write a file that it can't read
        raise ValueError("a recording without samples can't be written")
    # Into memory first: libsndfile does not say that a disk is full.
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, rate_hz, format="FLAC", subtype="PCM_16")
    atomic_write(path, buffer.getvalue())


def read_recording(path: Path) -> tuple[Stereo, int]:
    """Reads a recording: (n, 2) int16, and its rate in Hz.

    Raises:
        StoreError: the file is missing, damaged or not stereo.
    """
    import soundfile

    if not path.exists():
        raise StoreError(f"{path}: the recording is missing; the run's audio folder is not whole")
    with explained(path):
        data = path.read_bytes()
    try:
        pcm, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        why = str(error.error_string).rstrip(".")
        raise StoreError(f"{path}: the recording is damaged ({why})") from None
    if pcm.shape[1] != 2:
        raise StoreError(f"{path}: a recording has 2 channels, this has {pcm.shape[1]}")
    return np.asarray(pcm, dtype=np.int16), int(rate_hz)
