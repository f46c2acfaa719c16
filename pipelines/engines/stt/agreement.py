"""LocalAgreement-2: the words on which two successive decodings agree are final. Pure.

A recogniser of whole stretches (Whisper) becomes a streaming one by decoding the utterance again
and again while it grows: the words at which the last two results agree, from the start on, are the
partial transcript. Agreed words are not taken back (Macháček and others, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.engines.stt.repeats import bare


class LocalAgreement:
    """The words of one utterance that are agreed on so far."""

    def __init__(self) -> None:
        self._agreed: list[str] = []
        self._last: Sequence[str] = ()

    def feed(self, words: Sequence[str]) -> str:
        """Takes the newest decoding; returns all words agreed on so far, as a text."""
        begin = len(self._agreed)
        for before, now in zip(self._last[begin:], words[begin:], strict=False):
            if bare(before) != bare(now):
                break
            self._agreed.append(now)
        self._last = tuple(words)
        return " ".join(self._agreed)

    def settle(self, words: Sequence[str]) -> str:
        """Takes a decoding after which nothing was said: all of its words are agreed on."""
        self._agreed = list(words)
        self._last = tuple(words)
        return " ".join(words)
