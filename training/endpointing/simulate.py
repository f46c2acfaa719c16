"""Simulated users who pause: speech with labelled pauses, as the cascade would hear it.

A sentence is spoken by a voice of espeak-ng's, whole or broken at words by silence; the recogniser
hears it 20 ms at a time. Each moment of silence becomes a row: the model's inputs, and whether the
turn was over. Voices and sentences of the held-out half are in no row of the training's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.levels import as_int16, pink_noise, rms_dbfs
from pipelines.audio.resample import resample
from pipelines.cascade.endpointing.hearing import Ear
from pipelines.cascade.endpointing.model import inputs
from pipelines.cascade.endpointing.track import RATE_HZ, VOICE, SpeechTrack
from training.endpointing.sentences import drawn, is_held_out, likely_pauses
from training.nano_duplex.espeak import RATE_HZ as ESPEAK_HZ
from training.nano_duplex.espeak import Espeak
from training.nano_duplex.voices import ACCENTS, ESPEAK_HELD_OUT, ESPEAK_TRAINING

CHUNK = 320
END_S = 2.6
"""Silence after the last word: longer than any pause, or a long silence would tell of a pause."""
PAUSE_MEDIAN_S, PAUSE_SPREAD = 0.65, 0.5
"""Pauses are lognormal: their median, and the standard deviation of their logarithm."""
EVERY = 2
"""Pieces of sound of a silence for each row."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A silence within or after an utterance, in samples."""

    start: int
    end: int
    over: bool
    said: str
    """The words before it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One moment of a silence."""

    utterance: int
    stretch: int
    since_ms: float
    """Time since the silence began, ms."""
    over: bool
    said: str
    heard: str
    unchanged_s: float
    inputs: NDArray[np.float32]
    """`pipelines.cascade.endpointing.model.INPUTS`; the first of them is filled in later."""


def breaks(words: Sequence[str], rng: random.Random) -> list[int]:
    """After how many words the user pauses: none, one or two places."""
    if len(words) < 2 or rng.random() < 0.5:
        return []
    places, weights = range(1, len(words)), likely_pauses(words)
    return sorted(set(rng.choices(places, weights, k=rng.choice((1, 1, 2)))))


def pause_s(rng: random.Random) -> float:
    """Length of a pause, within bounds."""
    drawn_s = rng.lognormvariate(np.log(PAUSE_MEDIAN_S), PAUSE_SPREAD)
    return float(min(2.5, max(0.2, drawn_s)))


def speak(text: str, voice: str, tempo: float, pitch: float) -> NDArray[np.float32]:
    """(n,) ±1 at 16 kHz, cut close."""
    with Espeak() as espeak:
        pcm, _, _ = espeak.speak(voice, text, tempo, pitch)
    sound = resample(pcm.astype(np.float32) / 32768, ESPEAK_HZ, RATE_HZ)
    loud = np.flatnonzero(np.abs(sound) > 0.004)
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound


def utterance(
    text: str, rng: random.Random, held_out: bool
) -> tuple[NDArray[np.int16], list[Stretch]]:
    """One user's turn with its silences."""
    words = text.split()
    base = rng.choice(ESPEAK_HELD_OUT if held_out else ESPEAK_TRAINING)
    voice = f"{rng.choice(ACCENTS[:4] if held_out else ACCENTS)}+{base}"
    tempo, pitch = rng.uniform(0.8, 1.15), rng.uniform(0.7, 1.4)
    cuts = [0, *breaks(words, rng), len(words)]
    parts: list[NDArray[np.float32]] = [
        np.zeros(round(rng.uniform(0.3, 0.7) * RATE_HZ), np.float32)
    ]
    stretches = []
    at = len(parts[0])
    for i, (a, b) in enumerate(pairwise(cuts)):
        last = i + 2 == len(cuts)
        # Half of the pauses sound as if more came: a comma keeps espeak-ng's pitch up.
        phrase = " ".join(words[a:b]) + ("" if last or rng.random() < 0.5 else ",")
        sound = speak(phrase, voice, tempo, pitch)
        parts.append(sound)
        at += len(sound)
        silence = round((END_S if last else pause_s(rng)) * RATE_HZ)
        stretches.append(Stretch(at, at + silence, last, " ".join(words[:b])))
        parts.append(np.zeros(silence, np.float32))
        at += silence
    pcm = np.concatenate(parts).astype(np.float64)
    spoken = pcm[np.abs(pcm) > 0.004]
    pcm = pcm * 10 ** ((rng.uniform(-32, -18) - rms_dbfs(spoken)) / 20)
    if rng.random() < 0.4:
        noise = pink_noise(len(pcm), np.random.default_rng(rng.randrange(1 << 30)))
        wanted = rms_dbfs(pcm[np.abs(pcm) > 1e-4]) - rng.uniform(15, 35)
        pcm = pcm + noise * 10 ** ((wanted - rms_dbfs(noise)) / 20)
    return as_int16(np.clip(pcm, -1, 1)), stretches


def rows_of(
    ear: Ear, number: int, pcm: NDArray[np.int16], stretches: Sequence[Stretch]
) -> Iterator[Row]:
    """Hears an utterance; one row for each 40 ms of its silences."""
    hearing = ear.listen()
    track, heard, changed = SpeechTrack(ear.confidence), "", 0
    ending, ending_at = track.ending(), -1
    for at in range(0, len(pcm) - CHUNK + 1, CHUNK):
        now = at + CHUNK
        track.feed(pcm[at:now])
        if (text := hearing.feed(pcm[at:now])) != heard:
            heard, changed = text, now
        for i, stretch in enumerate(stretches):
            if at // CHUNK % EVERY or not stretch.start + 480 < now <= stretch.end:
                continue
            if track.silence_ms < 40 or track.voice >= VOICE or not heard:
                continue
            unchanged_s = (now - changed) / RATE_HZ
            if track.last_sound != ending_at:
                ending, ending_at = track.ending(), track.last_sound
            yield Row(
                number, i, (now - stretch.start) * 1000 / RATE_HZ, stretch.over, stretch.said,
                heard, unchanged_s, inputs(track, ending, unchanged_s, 0.0),
            )  # fmt: skip


def simulated(n: int, seed: int, held_out: bool) -> Iterator[Row]:
    """Rows of ``n`` utterances."""
    rng, ear = random.Random(seed), Ear()
    said = {text: n for text, n in drawn().items() if is_held_out(text) == held_out}
    texts, weights = list(said), list(said.values())
    for number in range(n):
        pcm, stretches = utterance(rng.choices(texts, weights)[0], rng, held_out)
        yield from rows_of(ear, number, pcm, stretches)
