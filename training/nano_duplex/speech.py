"""Speech of any voice, with its phones and words to the sample; kept on disk where asked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.fixtures.fixture import RATE_HZ as FIXTURE_HZ
from bench.fixtures.fixture import Word
from fixtures.authoring import synthesis
from fixtures.authoring.synthesis import Phone, Spoken
from pipelines.audio.levels import as_floats
from pipelines.audio.resample import resample
from training.nano_duplex.espeak import RATE_HZ as ESPEAK_HZ
from training.nano_duplex.espeak import Espeak
from training.nano_duplex.voices import Voice

RATE_HZ = 24_000
FRAME = 1920
"""Samples of a frame: 80 ms."""
HOP = 240
"""Samples between phone labels: 10 ms."""
FLITE_HZ = {"kal16": 95.0}
"""Mean pitch of voices that take theirs in Hz; the others take a factor."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech without a pause, cut close."""

    pcm: NDArray[np.float32]
    """(n,) ±1, 24 kHz, the speech at −23 dBFS."""
    phones: tuple[Phone, ...]
    """(name as flite has it, or "" where unknown; start, end), in samples."""
    words: tuple[Phone, ...]
    """(word, start, end), in samples."""

    @property
    def start(self) -> int:
        """The first sample of its first phone."""
        return self.phones[0][1]

    @property
    def end(self) -> int:
        """One past the last sample of its last phone."""
        return self.phones[-1][2]


def speak(text: str, voice: Voice, cache: Path | None = None) -> Utterance:
    """Speaks a text of lower-case words.

    Args:
        text: The words.
        voice: Who speaks.
        cache: A folder to keep it in; it is taken from there when it is asked for again.

    Raises:
        ValueError: this voice can't speak this text in a way that its words can be told.
    """
    if cache is None:
        return at_24_khz(spoken(text, voice))
    name = hashlib.sha256(f"{voice.key}|{text}".encode()).hexdigest()[:24]
    path = cache / name[:2] / f"{name}.npz"
    if not path.exists():
        made = at_24_khz(spoken(text, voice))
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}.tmp.npz")
        labels = json.dumps([made.phones, made.words])
        np.savez(half, pcm=as_int16(made.pcm), labels=np.array(labels))
        half.replace(path)
    with np.load(path) as kept:
        phones, words = json.loads(str(kept["labels"]))
        pcm = kept["pcm"].astype(np.float32) / 32768
    return Utterance(pcm, _tuples(phones), _tuples(words))


def spoken(text: str, voice: Voice) -> Spoken:
    """The same at 16 kHz, the rate of fixtures: what all users are limited to."""
    words = tuple(text.split())
    if voice.engine == "espeak":
        return _espeak(words, voice)
    # Played faster it gets shorter too, which the synthesiser makes up for.
    settings = {"duration_stretch": voice.size / voice.tempo}
    if voice.base in FLITE_HZ:
        settings["int_f0_target_mean"] = FLITE_HZ[voice.base] * voice.pitch
    else:
        settings["f0_shift"] = voice.pitch
    plain = voice.tempo == voice.pitch == voice.size == 1
    return synthesis.speak(voice.base, words, settings={} if plain else settings, size=voice.size)


def at_24_khz(said: Spoken) -> Utterance:
    """Speech of 16 kHz at the model's rate."""
    pcm = resample(said.signal, FIXTURE_HZ, RATE_HZ).astype(np.float32)

    def moved(rows: Sequence[Phone]) -> tuple[Phone, ...]:
        return tuple(
            (name, start * RATE_HZ // FIXTURE_HZ, min(pcm.size, end * RATE_HZ // FIXTURE_HZ))
            for name, start, end in rows
        )

    words = [(w.word, w.start, w.end) for w in said.words]
    return Utterance(pcm, moved(said.phones), moved(words))


def as_int16(pcm: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Floats in ±1 → int16; what lies outside is clipped."""
    return np.asarray(np.clip(np.rint(pcm * 32768), -32768, 32767), dtype=np.int16)


def _espeak(words: tuple[str, ...], voice: Voice) -> Spoken:
    with Espeak() as espeak:
        pcm, phones, starts = espeak.speak(
            voice.base, " ".join(words), voice.tempo / voice.size, voice.pitch
        )
    rate_hz = round(ESPEAK_HZ * voice.size)

    def at(sample: int) -> int:
        return sample * FIXTURE_HZ // rate_hz

    signal = as_floats(resample(pcm, rate_hz, FIXTURE_HZ))
    named = [(name, at(a), at(b)) for name, a, b in phones]
    while named and not named[-1][0]:  # the pause after the last word
        named.pop()
    while named and not named[0][0]:
        named.pop(0)
    if not named:
        raise ValueError(f"{' '.join(words)!r}: espeak-ng says nothing")
    begun = [(character, at(sample)) for character, sample in starts]
    return synthesis.cut(signal, named, word_limits(words, begun, named[0][1], named[-1][2]))


def word_limits(
    words: Sequence[str], starts: Sequence[tuple[int, int]], first: int, last: int
) -> list[Word]:
    """Limits of words of whose starts some are known.

    A word that espeak-ng draws into the one before it has no start of its own: they share their
    time by their letters.

    Args:
        words: The words, spoken with a blank between them.
        starts: (index of its first character, its first sample) of the words that have one.
        first: Where the first word begins.
        last: Where the last word ends.
    """
    known = dict(starts)
    groups: list[tuple[int, list[str]]] = []
    character = 0
    for word in words:
        if not groups:
            groups.append((first, [word]))
        elif groups[-1][0] < known.get(character, first) < last:
            groups.append((known[character], [word]))
        else:
            groups[-1][1].append(word)
        character += len(word) + 1
    limits = []
    ends = [start for start, _ in groups[1:]] + [last]
    for (start, members), end in zip(groups, ends, strict=True):
        letters, done = sum(map(len, members)), 0
        for word in members:
            a = start + (end - start) * done // letters
            done += len(word)
            limits.append(Word(word, a, start + (end - start) * done // letters))
    return limits


def _tuples(rows: list[list[object]]) -> tuple[Phone, ...]:
    return tuple((str(name), int(str(a)), int(str(b))) for name, a, b in rows)
