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


def with_noise(stereo: Stereo, noise: Stereo, snr_db: float) -> Stereo:
    """A call with noise under both channels.

    Args:
        stereo: (n, 2) the call.
        noise: (n, 2) the noise.
        snr_db: Level of each channel's speech above its noise, where the channel is not silent.
    """
    mixed = np.zeros(stereo.shape, np.float64)
    for channel in (USER, AGENT):
        speech, under = stereo[:, channel].astype(np.float64), noise[:, channel].astype(np.float64)
        spoken = speech[np.abs(speech) > 0]
        level = np.sqrt(np.mean(np.square(spoken))) / np.sqrt(np.mean(np.square(under)))
        mixed[:, channel] = speech + under * level * 10 ** (-snr_db / 20)
    return np.clip(np.rint(mixed), -32_768, 32_767).astype(np.int16)
