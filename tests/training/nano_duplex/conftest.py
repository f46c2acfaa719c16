"""A synthesiser of known timing, so that these tests need no flite."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from bench.fixtures.fixture import Word
from fixtures.authoring.synthesis import Spoken
from training.nano_duplex import corpus, held_out, simulate, speech
from training.nano_duplex.dialogue import Dialogue
from training.nano_duplex.simulate import Simulator
from training.nano_duplex.speech import Utterance
from training.nano_duplex.voices import Voice

WORD_S = 0.2
KEPT_S = 0.02


def tone(text: str, voice: Voice, cache: Path | None = None) -> Utterance:
    """Each word lasts 0.2 s, one phone each, between 20 ms of margin; 24 kHz."""
    words = text.split()
    keep, word = round(KEPT_S * 24_000), round(WORD_S * 24_000)
    n = len(words) * word + 2 * keep
    pcm = (0.1 * np.sin(2 * np.pi * 200 * np.arange(n) / 24_000)).astype(np.float32)
    limits = [(w, keep + i * word, keep + (i + 1) * word) for i, w in enumerate(words)]
    return Utterance(pcm, tuple(("aa", a, b) for _, a, b in limits), tuple(limits))


def tone_at_16_khz(text: str, voice: Voice) -> Spoken:
    """The same at the fixtures' rate."""
    words = text.split()
    keep, word = round(KEPT_S * 16_000), round(WORD_S * 16_000)
    n = len(words) * word + 2 * keep
    signal = 0.1 * np.sin(2 * np.pi * 200 * np.arange(n) / 16_000)
    limits = [Word(w, keep + i * word, keep + (i + 1) * word) for i, w in enumerate(words)]
    phones = tuple(("aa", w.start, w.end) for w in limits)
    return Spoken(signal, keep, n - keep, tuple(limits), phones)


def as_tones(patch: pytest.MonkeyPatch) -> None:
    """Makes every voice a tone."""
    patch.setattr(simulate, "speak", tone)
    patch.setattr(corpus, "speak", tone)
    patch.setattr(speech, "spoken", tone_at_16_khz)
    patch.setattr(held_out, "spoken", tone_at_16_khz)


@pytest.fixture
def tones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every voice is a tone."""
    as_tones(monkeypatch)


@pytest.fixture(scope="session")
def forty_dialogues() -> list[Dialogue]:
    """Dialogues in tones, simulated once; nobody changes them."""
    with pytest.MonkeyPatch.context() as patch:
        as_tones(patch)
        simulator = Simulator(random.Random("dialogues"))
        return [simulator.dialogue() for _ in range(40)]
