"""Simulated users who pause: speech with labelled pauses, as the cascade would hear it.

A sentence is spoken by a voice of espeak-ng's, whole or broken at words by silence. Each moment of
silence becomes a row: the model's inputs, and whether the turn was over. Voices and sentences of
the held-out half are in no row of the training's.

The words come from a double of a recogniser, which errs as one does that understands its speaker.
The shipped one hears three in a hundred of these voices' sentences without an error (and 98 words
in a hundred of the fixtures'): what it made of them taught the model to distrust words.
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
from pipelines.cascade.endpointing.track import RATE_HZ, VOICE, Confidence, SpeechTrack
from training.endpointing.sentences import is_held_out, pause_odds, said
from training.nano_duplex.espeak import RATE_HZ as ESPEAK_HZ
from training.nano_duplex.espeak import Espeak
from training.nano_duplex.voices import ACCENTS, ESPEAK_HELD_OUT, ESPEAK_TRAINING

CHUNK = 320
END_S = 2.6
"""Silence after the last word: longer than any pause, or a long silence would tell of a pause."""
PAUSE_MEDIAN_S, PAUSE_SPREAD = 0.65, 0.5
"""Pauses are lognormal: their median, and the standard deviation of their logarithm."""
PITCH_STAYS_UP = {False: 0.5, True: 0.3}
"""Share of the pauses, and of the ends, that sound as if more came.

Pitch tells less than espeak-ng would have it: people end on a high note too, and break off on a low
one."""
KNOWN_AFTER_MS = (-15.0, 60.0)
"""When a recogniser knows a word, after its end: mean and standard deviation."""
LATE, LATE_MS = 0.15, (100.0, 400.0)
"""Share of the last words that it knows later, and how much later."""
WRONG = 0.05
"""Share of the words that it takes for others."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A silence within or after an utterance, in samples."""

    start: int
    end: int
    over: bool
    said: str
    """The words before it."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an utterance."""

    text: str
    end: int
    """Its end, in samples."""
    last: bool
    """Whether silence follows."""


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
    """After how many words the user pauses."""
    return [k for k, odds in enumerate(pause_odds(words), start=1) if rng.random() < odds]


def pause_s(rng: random.Random) -> float:
    """Length of a pause, within bounds."""
    drawn_s = rng.lognormvariate(np.log(PAUSE_MEDIAN_S), PAUSE_SPREAD)
    return float(min(2.5, max(0.2, drawn_s)))


def speak(
    text: str, voice: str, tempo: float, pitch: float
) -> tuple[NDArray[np.float32], list[int]]:
    """(n,) ±1 at 16 kHz, cut close, and where each word ends, in samples."""
    with Espeak() as espeak:
        pcm, _, starts = espeak.speak(voice, text, tempo, pitch)
    sound = resample(pcm.astype(np.float32) / 32768, ESPEAK_HZ, RATE_HZ)
    loud = np.flatnonzero(np.abs(sound) > 0.004)
    first, last = (loud[0], loud[-1] + 1) if len(loud) else (0, len(sound))
    ends = [max(0, at * RATE_HZ // ESPEAK_HZ - int(first)) for _, at in starts[1:]]
    return sound[first:last], [*ends, int(last - first)]


def utterance(
    text: str, rng: random.Random, held_out: bool
) -> tuple[NDArray[np.int16], list[Stretch], list[Word]]:
    """One user's turn, its silences and its words."""
    words = text.split()
    spoken_words: list[Word] = []
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
        # A comma keeps espeak-ng's pitch up, as if more came.
        phrase = " ".join(words[a:b]) + ("," if rng.random() < PITCH_STAYS_UP[last] else "")
        sound, ends = speak(phrase, voice, tempo, pitch)
        # espeak-ng joins some words; what is not timed ends with the phrase.
        ends = [*ends[: b - a - 1], *[len(sound)] * max(1, b - a - len(ends) + 1)][: b - a]
        for word, end in zip(words[a:b], ends, strict=True):
            spoken_words.append(Word(word, at + end, end == len(sound)))
        parts.append(sound)
        at += len(sound)
        silence = round((END_S if last else pause_s(rng)) * RATE_HZ)
        stretches.append(Stretch(at, at + silence, last, " ".join(words[:b])))
        parts.append(np.zeros(silence, np.float32))
        at += silence
    pcm = np.concatenate(parts).astype(np.float64)
    loud = pcm[np.abs(pcm) > 0.004]
    pcm = pcm * 10 ** ((rng.uniform(-32, -18) - rms_dbfs(loud)) / 20)
    if rng.random() < 0.4:
        noise = pink_noise(len(pcm), np.random.default_rng(rng.randrange(1 << 30)))
        wanted = rms_dbfs(pcm[np.abs(pcm) > 1e-4]) - rng.uniform(15, 35)
        pcm = pcm + noise * 10 ** ((wanted - rms_dbfs(noise)) / 20)
    return as_int16(np.clip(pcm, -1, 1)), stretches, spoken_words


def as_heard(
    words: Sequence[Word], others: Sequence[str], rng: random.Random
) -> list[tuple[int, str]]:
    """What a recogniser knows of an utterance: (sample, words so far), in order.

    Args:
        words: What was said.
        others: What else could be understood.
        rng: Decides where it errs.
    """
    known: list[tuple[int, str]] = []
    text, at = "", 0
    for word in words:
        late_ms = rng.gauss(*KNOWN_AFTER_MS)
        if word.last and rng.random() < LATE:
            late_ms = rng.uniform(*LATE_MS)
        at = max(at + 1, word.end + round(late_ms * RATE_HZ / 1000))
        text = f"{text} {rng.choice(others) if rng.random() < WRONG else word.text}".strip()
        known.append((at, text))
    return known


def rows_of(
    number: int,
    pcm: NDArray[np.int16],
    stretches: Sequence[Stretch],
    heard: Sequence[tuple[int, str]],
    confidence: Confidence,
) -> Iterator[Row]:
    """Hears an utterance; one row for each 20 ms of its silences."""
    track, text, changed, known = SpeechTrack(confidence), "", 0, 0
    ending, ending_at = track.ending(), -1
    for at in range(0, len(pcm) - CHUNK + 1, CHUNK):
        now = at + CHUNK
        track.feed(pcm[at:now])
        while known < len(heard) and heard[known][0] <= now:
            text, changed, known = heard[known][1], now, known + 1
        for i, stretch in enumerate(stretches):
            if not stretch.start + 480 < now <= stretch.end:
                continue
            if track.silence_ms < 40 or track.voice >= VOICE or not text:
                continue
            unchanged_s = (now - changed) / RATE_HZ
            if track.last_sound != ending_at:
                ending, ending_at = track.ending(), track.last_sound
            yield Row(
                number, i, (now - stretch.start) * 1000 / RATE_HZ, stretch.over, stretch.said,
                text, unchanged_s, inputs(track, ending, unchanged_s, 0.0),
            )  # fmt: skip


def simulated(n: int, seed: int, held_out: bool) -> Iterator[Row]:
    """Rows of ``n`` utterances."""
    rng, ear = random.Random(seed), Ear()
    of = {text: often for text, often in said().items() if is_held_out(text) == held_out}
    texts, weights = list(of), list(of.values())
    others = [word for text in rng.choices(texts, weights, k=1000) for word in text.split()]
    for number in range(n):
        pcm, stretches, words = utterance(rng.choices(texts, weights)[0], rng, held_out)
        ear.forget()
        yield from rows_of(number, pcm, stretches, as_heard(words, others, rng), ear.confidence)
