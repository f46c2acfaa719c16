"""Rolling phrases: pieces of text, as a model emits them, joined until something ends a phrase.

An end is punctuation (``. ! ? ;``) or the speaker's own end. A mere silence ends nothing: the
phrase so far is read, and read again when it has gone on ("I could … fetch it, if you like"). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CHARACTERS = 400
"""Longest phrase without an end; of a longer one the older half is dropped."""
_END = re.compile(r"[.!?;](?=\s|$)")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text said in one go."""

    text: str
    """Its words, with the punctuation that ended it."""
    t_ns: int
    """Time of its last word."""
    over: bool = True
    """False: it may go on, and will then be given again from its beginning."""


class RollingPhrases:
    """One speaker's text stream."""

    def __init__(self) -> None:
        self._text = ""
        self._t_ns = 0
        self._looked_at = True

    @property
    def unseen(self) -> bool:
        """True if a phrase has gone on since it was last read."""
        return not self._looked_at and bool(self._text.strip())

    @property
    def last_ns(self) -> int:
        """Time of its last piece."""
        return self._t_ns

    def feed(self, piece: str, t_ns: int) -> list[Phrase]:
        """Takes a piece of text, with its own spaces; returns the phrases that it ended.

        A full stop ends a phrase where the piece, or a space, ends behind it: ``3.5`` goes on.
        """
        self._text += piece
        self._t_ns = t_ns
        self._looked_at = False
        ended = []
        while found := _END.search(self._text):
            ended += self._cut(found.end())
        if len(self._text) > MAX_CHARACTERS:
            self._text = self._text[-MAX_CHARACTERS // 2 :].partition(" ")[2]
        return ended

    def look(self) -> list[Phrase]:
        """The text so far, after a silence; the phrase stays open."""
        self._looked_at = True
        text = self._text.strip()
        return [Phrase(text, self._t_ns, over=False)] if re.search(r"\w", text) else []

    def end(self) -> list[Phrase]:
        """Ends the open phrase: the speaker has finished."""
        return self._cut(len(self._text))

    def _cut(self, at: int) -> list[Phrase]:
        text, self._text = self._text[:at].strip(), self._text[at:]
        return [Phrase(text, self._t_ns)] if re.search(r"\w", text) else []
