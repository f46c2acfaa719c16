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
"""Bounds as factors of a word's mean length: a forced text goes on no sooner, and no later except
for a frame."""
FIRST = 6
"""Frames of a conversation before its first forced word: in no conversation of its training does it
speak first, and its output in its first frame is noise."""


@dataclass(frozen=True, slots=True)
class Forced:
    """The request of a forced text for a frame."""

    token: int
    at_once: bool
    """True: at once. False: as soon as the model would go on itself."""


class ForcedWords:
    """One session's queue of texts to be forced into the inner monologue.

    The model learned a word's token at the word's begin and nothing until the next, so that it
    knows itself when the current word is over. A forced text waits for that, within bounds; the end
    token is forced like a word.
    """

    def __init__(self, words: Sequence[str], frames: Sequence[float]) -> None:
        """Makes an empty queue.

        Args:
            words: The closed vocabulary; word i is token i + 3.
            frames: Average duration of each in the model's speech, in frames.
        """
        self._ids = {word: index + SPECIAL for index, word in enumerate(words)}
        self._frames = frames
        self._words: deque[int] = deque()
        self._mean: float | None = None  # of the word whose end is not yet forced
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
        """The request for the next frame; None: the model is free. `said` reports the result.

        Call it once a frame.
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
    """A token's text: a word behind a blank; empty for silence."""
    return f" {words[token - SPECIAL]}" if token >= SPECIAL else ""
