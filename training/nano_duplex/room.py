"""What lies between a user's mouth and the model: gain, a room, the agent's echo, noise, a line."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.levels import Floats, gain, pink_noise, rms_dbfs
from training.nano_duplex.speech import RATE_HZ

FLOOR_S = 0.160
"""What the model says is heard so much later: a frame that is filled, and one of delay."""
ECHO_SHARE, NOISE_SHARE, REVERB_SHARE, PHONE_SHARE = 0.30, 0.45, 0.25, 0.06
COUGH_S, COUGH_ATTACK_S, COUGH_DECAY_S, COUGH_DBFS = 0.32, 0.008, 0.07, -23.0


def heard_by_model(speech: Floats, agent: Floats, rng: random.Random) -> Floats:
    """(n,) the user's channel, of what user and agent say; half of all lines are clean."""
    noise = np.random.default_rng(rng.getrandbits(64))
    signal = gain(speech, rng.uniform(-9.0, 4.0))
    if rng.random() < REVERB_SHARE:
        signal = reverberated(signal, rng.uniform(0.12, 0.35), rng.uniform(0.1, 0.4), noise)
    if rng.random() < ECHO_SHARE:
        delay = round((FLOOR_S + rng.uniform(0.0, 0.1)) * RATE_HZ)
        signal[delay:] += gain(agent[:-delay], rng.uniform(-40.0, -20.0))
    if rng.random() < PHONE_SHARE:
        signal = telephone(signal)
    if rng.random() < NOISE_SHARE:
        level = rng.uniform(-65.0, -42.0)
        drawn = pink_noise(signal.size, noise) if rng.random() < 0.7 else _white(signal.size, noise)
        signal = signal + gain(drawn, level - rms_dbfs(drawn))
    return signal


def reverberated(
    signal: Floats, decay_s: float, share: float, noise: np.random.Generator
) -> Floats:
    """The signal, and behind it a tail of noise that falls by 60 dB in ``decay_s``.

    Args:
        signal: (n,) the dry signal.
        decay_s: The reverberation time.
        share: The tail's amplitude beside the direct sound's, as RMS over the whole.
        noise: Where the tail is drawn.
    """
    from scipy.signal import oaconvolve  # slow to import

    n = round(decay_s * RATE_HZ)
    tail = noise.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[: round(0.004 * RATE_HZ)] = 0.0
    tail *= share / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(oaconvolve(signal, tail)[: signal.size], dtype=np.float64)


def telephone(signal: Floats) -> Floats:
    """The band of a telephone line: 300 to 3400 Hz."""
    from scipy.signal import butter, sosfilt

    sos = butter(4, (300, 3400), "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfilt(sos, signal), dtype=np.float64)


def cough(rng: random.Random) -> NDArray[np.float32]:
    """A burst of pink noise with a sharp attack, as loud as speech."""
    t = np.arange(round(COUGH_S * RATE_HZ)) / RATE_HZ
    envelope = np.minimum(t / COUGH_ATTACK_S, 1.0) * np.exp(-t / COUGH_DECAY_S)
    burst = pink_noise(t.size, np.random.default_rng(rng.getrandbits(64))) * envelope
    return gain(burst, COUGH_DBFS - rms_dbfs(burst)).astype(np.float32)


def _white(n: int, noise: np.random.Generator) -> Floats:
    return noise.standard_normal(n) * 0.1
