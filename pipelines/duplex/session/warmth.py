"""A signal that keeps a codec as busy as speech does: for warming up, and for unpaced bursts."""

from __future__ import annotations

import numpy as np

from pipelines.duplex.session.model import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm

SYLLABLE_HZ = 4.0
LEVEL = 0.1


def like_speech(frames: int, seed: int = 0) -> list[Pcm]:
    """Seeded noise that falls with frequency and swells four times a second.

    Args:
        frames: Number of frames.
        seed: The same seed gives the same samples.

    Returns:
        Each (1920,) float32 in ±1.
    """
    random = np.random.default_rng(seed)
    count = frames * FRAME_SAMPLES
    white = random.standard_normal(count + 2)
    soft = white[2:] + white[1:-1] + white[:-2]
    t_s = np.arange(count) / SAMPLE_RATE_HZ
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * SYLLABLE_HZ * t_s)
    signal = np.clip(LEVEL * soft * swell, -1, 1).astype(np.float32)
    return list(signal.reshape(frames, FRAME_SAMPLES))
