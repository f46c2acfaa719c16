"""Words that a recogniser says again and again, and how they are found. Pure.

Whisper sees the end of speech by the silence after it; where there is little of that, it may say a
sentence a second time, or one word until its tokens are used up. People repeat themselves too: so a
repetition is a doubt, which a second decoding decides, and no proof.
"""

from __future__ import annotations

from collections.abc import Sequence

_MOST_OF_ONE = 2
"""Copies of one word in a row that nobody doubts: "no no", "very very"."""
_LITTLE_VARIETY = 0.5
"""Share of different words below which a text that was broken off is a loop."""
_LEAST_OF_BROKEN = 2
"""Words of a copy that was broken off."""


def bare(word: str) -> str:
    """The word without case and punctuation, which vary while a sentence grows."""
    return "".join(c for c in word.casefold() if c.isalnum()) or word


def once(words: Sequence[str], *, ended: bool = True) -> list[str]:
    """The words up to the first copy of what is repeated at their end; all of them if nothing is.

    Two copies of several words in a row count, and three of one.

    Args:
        words: A text's words, in any case, with their marks.
        ended: Whether the recogniser ended the text by itself. If not, its beginning again at its
            end is a copy too, broken off.
    """
    plain = [bare(word) for word in words]
    end = _end(plain, ended)
    if not ended and end == len(plain):
        end = _end_of_loop(plain)
    return list(words[:end])


def _end(plain: Sequence[str], ended: bool) -> int:
    """Where the first copy of the earliest repetition ends; the length if nothing is repeated."""
    ends = [_first_copy_end(plain, period, ended) for period in range(1, len(plain))]
    return min(ends, default=len(plain))


def _end_of_loop(plain: Sequence[str]) -> int:
    """The same of a text that was broken off: in its last word, or while its copies varied."""
    n = len(plain)
    end = _end(plain[:-1], ended=False)
    if end < n - 1:
        return end
    if len(set(plain)) <= n * _LITTLE_VARIETY:
        return next((i for i, word in enumerate(plain) if word in plain[:i]), n)
    return n


def _first_copy_end(plain: Sequence[str], period: int, ended: bool) -> int:
    """Where the first copy of a repetition of this period ends; the length if there is none."""
    n = len(plain)
    same = 0  # words at the end that equal the word one period before
    while same < n - period and plain[n - 1 - same] == plain[n - 1 - same - period]:
        same += 1
    copies = _MOST_OF_ONE if period == 1 else 1
    broken_off = not ended and same == n - period and same >= _LEAST_OF_BROKEN
    return n - same if same >= copies * period or broken_off else n
