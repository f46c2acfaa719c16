"""duplex-nano's text stream: one token a word, and texts forced at the pace of its own speech."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from pipelines.duplex.nano_weights import SPECIAL
from pipelines.engine import EngineError

PAD, EOS = 0, 2
_WORD = re.compile(r"[a-z']+")


class ForcedWords:
    """One session's queue of texts to be forced into the inner monologue.

    The model learned a word's token at the word's begin and nothing until the next, so a forced
    text keeps that pace: each word lasts as long as the model's own on average; the end is told.
    """

    def __init__(self, words: Sequence[str], frames: Sequence[float]) -> None:
        """Makes an empty queue.

        Args:
            words: The closed vocabulary; word i is token i + 3.
            frames: How long the model says each, in frames.
        """
        self._ids = {word: index + SPECIAL for index, word in enumerate(words)}
        self._frames = frames
        self._words: deque[int] = deque()
        self._open = False  # a word was said whose end is not yet told
        self._wait = 0.0  # frames until the next

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

    def take(self) -> int | None:
        """The token to force in this frame; None: the model is free."""
        self._wait -= 1.0
        if self._open and self._wait > 0:
            return PAD
        if self._words:
            token = self._words.popleft()
            carry = self._wait if self._open else 0.0  # parts of a frame are not lost
            self._wait = max(1.0, carry + self._frames[token - SPECIAL])
            self._open = True
            return token
        if self._open:
            self._open = False
            return EOS
        return None


def piece_of(token: int, words: Sequence[str]) -> str:
    """A token's text: a word behind a blank; empty for what is not said."""
    return f" {words[token - SPECIAL]}" if token >= SPECIAL else ""
