"""Recorded calls with known truth: stereo, a user's utterances and the agent's answers to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.store.recording import AGENT, USER, Stereo

Pcm16 = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Placed:
    """A sound on one channel of a call."""

    pcm: Pcm16
    """(n,) its samples, the first and the last of them audible."""
    at_s: float
    """Time of its first sample, s from the call's start."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the user says, and when it is answered."""

    said: Pcm16
    """(n,) the user's utterance, the first and the last sample audible."""
    answer: Pcm16
    """(n,) the agent's answer, likewise."""
    delay_ms: float
    """First sample of the answer − the end of the utterance; signed."""


def placed(
    user: Sequence[Placed], agent: Sequence[Placed], length_s: float, rate_hz: int
) -> Stereo:
    """A call of sounds at given times, silent between them: (n, 2) int16."""
    stereo = np.zeros((round(length_s * rate_hz), 2), np.int16)
    for channel, sounds in ((USER, user), (AGENT, agent)):
        for sound in sounds:
            first = round(sound.at_s * rate_hz)
            room = stereo[first : first + len(sound.pcm), channel]
            room[:] = sound.pcm[: len(room)]
    return stereo


def call_of(exchanges: Sequence[Exchange], rate_hz: int, rest_s: float = 2.5) -> Stereo:
    """A call of exchanges one after the other, each ``rest_s`` after the answer before it."""
    user, agent, at_s = list[Placed](), list[Placed](), 1.0
    for one in exchanges:
        user.append(Placed(one.said, at_s))
        begins_s = at_s + len(one.said) / rate_hz + one.delay_ms / 1000
        agent.append(Placed(one.answer, begins_s))
        at_s = max(at_s + len(one.said) / rate_hz, begins_s + len(one.answer) / rate_hz) + rest_s
    return placed(user, agent, at_s, rate_hz)


def with_noise(stereo: Stereo, channel: int, noise: Pcm16, snr_db: float) -> Stereo:
    """A call with noise under one of its channels.

    Args:
        stereo: (n, 2) the call, silent between its sounds.
        channel: The channel.
        noise: (n,) the noise.
        snr_db: Level of the channel's sounds above the noise.
    """
    mixed = stereo.copy()
    sounds, under = stereo[:, channel].astype(np.float64), noise.astype(np.float64)
    level = _rms(sounds[sounds != 0]) / _rms(under) * 10 ** (-snr_db / 20)
    mixed[:, channel] = np.clip(np.rint(sounds + level * under), -32_768, 32_767)
    return mixed


def _rms(signal: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(signal))))


def babble(voices: Sequence[Pcm16], length: int, rng: np.random.Generator) -> Pcm16:
    """A room of voices: each of them speaks all the time, from a place of its own.

    Args:
        voices: At least one, (n,) each.
        length: Its length in samples.
        rng: Where each voice begins.
    """
    room = np.zeros(length)
    for voice in voices:
        on_and_on = np.resize(voice.astype(np.float64), length)
        room += np.roll(on_and_on, int(rng.integers(length)))
    scaled: NDArray[np.float64] = np.rint(room / np.abs(room).max() * 20_000)
    return scaled.astype(np.int16)


def steady_noise(length: int, rng: np.random.Generator) -> Pcm16:
    """Noise of one level, as of a room or a line."""
    noise = 3_000 * rng.standard_normal(length)
    return np.clip(np.rint(noise), -32_768, 32_767).astype(np.int16)
