"""What a decoding of Whisper's says, and whether it can be believed. Pure.

A window that is shorter than the 30 s of the training ends in little silence, or none that the
decoder knows. It then tends to go on after the last word: with the sentence once more, with one
word until its tokens are used up, or with marks. The timestamps that it writes give most of that
away, because such a segment begins where the audio has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.engines.stt.repeats import once

UNSURE = -1.0
"""Mean log-probability of a token below which a text is doubted."""
NO_SPEECH = 0.6
"""Probability of no speech above which an unsure text is none."""
_NOTHING = -1.5
"""Mean log-probability below which it is none in a decoding with timestamps, whose tokens are less
sure: speech in babble at 10 dB has −1.2, a cough −1.8, noise −1.7 to −2."""
_TICK_S = 0.02
"""Step of Whisper's timestamps."""
_AT_END_S = 0.1
"""A segment that begins this close to the audio's end, or after it, was never said."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The text of one decoding."""

    text: str
    """Text without what was repeated or never said; empty: no speech."""
    score: float
    """Mean log-probability of a token."""
    is_whole: bool
    """True if the decoder ended by itself, inside the audio, and repeated nothing."""

    @property
    def doubtful(self) -> bool:
        """True if a second decoding should decide."""
        return not self.is_whole or self.score < UNSURE


@dataclass(frozen=True, slots=True)
class Segment:
    """The tokens between two timestamps."""

    start_s: float
    tokens: tuple[int, ...]


def segments(tokens: Sequence[int], timestamps_from: int) -> list[Segment]:
    """Splits tokens at their timestamps; segments without tokens are left out.

    Args:
        tokens: Tokens of a decoding with timestamps.
        timestamps_from: The token of 0.00 s; all from there on are timestamps.
    """
    found: list[Segment] = []
    start_s, held = 0.0, []
    for token in [*tokens, timestamps_from]:
        if token < timestamps_from:
            held.append(token)
            continue
        if held:
            found.append(Segment(start_s, tuple(held)))
        start_s, held = (token - timestamps_from) * _TICK_S, []
    return found


def read(
    said: Sequence[Segment],
    decode: Callable[[Sequence[int]], str],
    *,
    audio_s: float,
    ended: bool,
    score: float,
    no_speech: float,
) -> Reading:
    """The reading of a decoding.

    Args:
        said: Its segments.
        decode: Tokens → text.
        audio_s: Length of the audio, without padding.
        ended: Whether the decoder ended it by itself, before its tokens were used up.
        score: Mean log-probability of a token.
        no_speech: Probability that nobody speaks.
    """
    if no_speech > NO_SPEECH and score < _NOTHING:
        return Reading("", score, ended)
    inside = [s for i, s in enumerate(said) if not i or s.start_s < audio_s - _AT_END_S]
    words = " ".join(decode(segment.tokens).strip() for segment in inside).split()
    kept = once(words, ended=ended)
    is_whole = ended and len(inside) == len(said) and len(kept) == len(words)
    while kept and not any(c.isalnum() for c in kept[-1]):
        kept.pop()  # a mark that stands alone: "...", "//"
    return Reading(" ".join(kept), score, is_whole)


def better(first: Reading, second: Reading) -> Reading:
    """The one of two readings of the same audio to believe: the whole one, else the surer."""
    if first.is_whole != second.is_whole:
        return first if first.is_whole else second
    return max(first, second, key=lambda reading: reading.score)
