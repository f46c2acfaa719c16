"""duplex-nano's text stream: one token a word, and texts forced at the pace of its own speech."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.duplex.nano.files import SPECIAL
from pipelines.process.engine import EngineError

PAD, EOS = 0, 2
_WORD = re.compile(r"[a-z']+")


SOONEST, LATEST = 0.4, 1.5
"""Of a word's mean length: a forced text goes on no sooner, and no later but for a frame."""
FIRST = 6
"""Frames of a conversation before its first forced word: none that it learned from begins with it
speaking, and what it says in its first frame is noise."""


@dataclass(frozen=True, slots=True)
class Forced:
    """What a forced text asks of a frame."""

    token: int
    at_once: bool
    """Else as soon as the model would go on itself."""


class ForcedWords:
    """One session's queue of texts to be forced into the inner monologue.

    The model learned a word's token at the word's begin and nothing until the next, so that it
    knows itself when the word that it is saying is over. A forced text waits for that, within
    bounds; the end is told as a word would be.
    """

    def __init__(self, words: Sequence[str], frames: Sequence[float]) -> None:
        """Makes an empty queue.

        Args:
            words: The closed vocabulary; word i is token i + 3.
            frames: How long the model says each on average, in frames.
        """
        self._ids = {word: index + SPECIAL for index, word in enumerate(words)}
        self._frames = frames
        self._words: deque[int] = deque()
        self._mean: float | None = None  # of the word whose end is not yet told
        self._since = 0  # frames since that word's token
        self._early = FIRST  # frames of the conversation that are still too early

    def queue(self, text: str) -> None:
        """Queues a text's words behind what is queued.

        Raises:
            EngineError: the model has no token for a word; nothing is queued then.
        """
        said = _WORD.findall(text.lower())
        unknown = next((word for word in said if word not in self._ids), None)
        if unknown is not None:
            raise EngineError(
                f"duplex-nano has no word {unknown!r}: it knows the {len(self._ids)} words of its "
                "vocabulary.txt"
            )
        self._words.extend(self._ids[word] for word in said)

    def ask(self) -> Forced | None:
        """What to force in the next frame; None: the model is free. `said` tells what came of it.

        To be asked once a frame.
        """
        if self._early:
            self._early -= 1
            return None
        if self._mean is None:
            return Forced(self._words[0], True) if self._words else None
        if self._since < SOONEST * self._mean:
            return Forced(PAD, True)
        token = self._words[0] if self._words else EOS
        return Forced(token, self._since > LATEST * self._mean)

    def said(self, token: int) -> None:
        """The frame is over, with this token."""
        self._since += 1
        if token >= SPECIAL:
            self._words.popleft()
            self._mean, self._since = self._frames[token - SPECIAL], 1
        elif token == EOS:
            self._mean = None


def piece_of(token: int, words: Sequence[str]) -> str:
    """A token's text: a word behind a blank; empty for what is not said."""
    return f" {words[token - SPECIAL]}" if token >= SPECIAL else ""
