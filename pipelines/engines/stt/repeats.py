"""Words that a recogniser says again and again, and how they are found. Pure.

Whisper sees the end of speech by the silence after it; where there is little of that, it may say a
sentence a second time, or one word until its tokens are used up. People repeat themselves too: so a
repetition is a doubt, which a second decoding decides, and no proof.
"""

from __future__ import annotations

from collections.abc import Sequence

_MOST_OF_ONE = 2
"""Copies of one word in a row that nobody doubts: "no no", "very very"."""
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
    ends = [_first_copy_end(plain, period, ended) for period in range(1, len(plain))]
    return list(words[: min(ends, default=len(plain))])


def _first_copy_end(plain: Sequence[str], period: int, ended: bool) -> int:
    """Where the first copy of a repetition of this period ends; the length if there is none."""
    n = len(plain)
    same = 0  # words at the end that equal the word one period before
    while same < n - period and plain[n - 1 - same] == plain[n - 1 - same - period]:
        same += 1
    copies = _MOST_OF_ONE if period == 1 else 1
    broken_off = not ended and same == n - period and same >= _LEAST_OF_BROKEN
    return n - same if same >= copies * period or broken_off else n
