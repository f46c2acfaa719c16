"""What a recogniser's word errors may say of agents: nothing where its own errors are too many.

A misheard word is the agent's, the line's or the recogniser's. How many are the recogniser's own on
a voice is measured on what that voice says where the words are known (`bench.recorded.own_voice`,
or recordings); beyond a bound, or unknown, presets are not ranked by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.fixtures.audio_file import read_channel
from bench.fixtures.fixture import FixtureError
from bench.stats.word_errors import WordErrors, word_errors
from bench.store.records import MetricRow
from pipelines.errors import LabError

BOUND = 0.10
"""Own word errors per word above which nothing is ranked."""
LEAST_WORDS = 100
"""Words of known recordings below which the own errors are not known well enough."""
SUFFIXES = (".wav", ".flac")

Recognise = Callable[[NDArray[np.int16], int], str]
"""(samples (n,), rate in Hz) → the words."""


def own_errors(folder: Path, recognise: Recognise) -> WordErrors:
    """The recogniser's errors on recordings of a voice: NAME.wav or .flac, its words in NAME.txt.

    Raises:
        LabError: there is no such pair, or a file can't be read.
    """
    found = []
    for path in sorted(p for p in folder.glob("*") if p.suffix in SUFFIXES):
        text = path.with_suffix(".txt")
        if not text.is_file():
            raise LabError(f"{path}: its words are missing; write them into {text.name} beside it.")
        try:
            recorded = read_channel(path, None)
            said = text.read_text(encoding="utf-8")
        except FixtureError as error:
            raise LabError(str(error)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise LabError(f"{text}: it can't be read as UTF-8 text ({error}).") from None
        pcm = np.clip(np.rint(recorded.signal * 32_768), -32_768, 32_767).astype(np.int16)
        found.append(word_errors(said, recognise(pcm, recorded.rate_hz)))
    if not found:
        raise LabError(f"{folder}: there is no NAME.wav or NAME.flac of the voice in it.")
    return pooled(found)


def pooled(found: Iterable[WordErrors]) -> WordErrors:
    """All errors of all words."""
    all_of = list(found)
    return WordErrors(sum(one.errors for one in all_of), sum(one.words for one in all_of))


def misheard(rows: Iterable[MetricRow]) -> dict[str, WordErrors]:
    """Preset → the words of its answers that were misheard; warm-ups are left out."""
    words: dict[str, int] = {}
    errors: dict[str, int] = {}
    into = {"agent_words": words, "agent_word_errors": errors}
    for row in rows:
        if row.metric in into and row.value is not None and not row.warmup:
            of = into[row.metric]
            of[row.preset] = of.get(row.preset, 0) + round(row.value)
    return {preset: WordErrors(errors.get(preset, 0), n) for preset, n in words.items() if n}


def told(found: Mapping[str, WordErrors], own: Mapping[str, WordErrors]) -> Iterator[str]:
    """The result: a sentence a preset, and the ranking of those that may be ranked.

    Args:
        found: Preset → its misheard words.
        own: Preset → the recogniser's errors on its voice, where they are known.
    """
    ranked = {}
    for preset, of in found.items():
        on_voice = own.get(preset)
        yield (
            f"{preset}: {of.errors} of {of.words} words misheard ({_percent(of.rate)}); the "
            f"recogniser's own on this voice: {_own(on_voice)}."
        )
        if on_voice and on_voice.words >= LEAST_WORDS and on_voice.rate <= BOUND:
            ranked[preset] = of.rate
    left = [preset for preset in found if preset not in ranked]
    if left:
        yield (
            f"Not ranked: {', '.join(left)}. The recogniser's own word errors on a voice must be "
            f"known of {LEAST_WORDS} words or more and at most {_percent(BOUND)}; of a voice that "
            "can't be asked to speak here: --voice PRESET=FOLDER."
        )
    if len(ranked) > 1:
        own_rate = max(own[preset].rate for preset in ranked)
        yield f"Fewest misheard first: {_order(ranked, own_rate)}."


def _order(ranked: Mapping[str, float], own_rate: float) -> str:
    """The presets in order; = between two that differ by no more than the recogniser's own."""
    order = sorted(ranked, key=lambda preset: ranked[preset])
    said = order[0]
    for before, after in pairwise(order):
        near = ranked[after] - ranked[before] <= own_rate
        said += f" {'=' if near else '<'} {after}"
    return said


def _own(found: WordErrors | None) -> str:
    if found is None:
        return "unknown"
    return f"{found.errors} of {found.words} ({_percent(found.rate)})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
