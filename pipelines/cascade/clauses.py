"""Cutting an answer into pieces to speak: its first clause at once, then its sentences.

A sentence aggregator that waits for the word after a full stop costs 180–320 ms on a fast voice.
This one hands the first piece to the synthesiser with the punctuation mark that ends it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from pipecat.utils.text.base_text_aggregator import Aggregation, BaseTextAggregator, TextType

CLAUSE_ENDS = frozenset(",.!?;:")
SENTENCE_ENDS = frozenset(".!?")
_ABBREVIATIONS = frozenset({"mr", "mrs", "ms", "dr", "st", "vs", "e.g", "i.e"})


class ClauseSplitter:
    """Takes text in any pieces; returns the parts that can be spoken. Pure."""

    def __init__(self) -> None:
        self._held = ""
        self._first = True

    @property
    def held(self) -> str:
        """The text that waits for its end."""
        return self._held

    def feed(self, text: str) -> list[str]:
        """Takes more text; returns the pieces that it completed, in order."""
        done: list[str] = []
        for char in text:
            if self._waits_for_next() and not char.isdigit():
                done += self._cut()
            self._held += char
            if self._ends_here():
                done += self._cut()
        return done

    def flush(self) -> str:
        """Returns the rest at the end of the answer, and starts over."""
        rest = self._held.strip()
        self.reset()
        return rest if _speakable(rest) else ""

    def reset(self) -> None:
        """Clears everything: the answer was interrupted, or is over."""
        self._held = ""
        self._first = True

    def _cut(self) -> list[str]:
        piece = self._held.strip()
        if not _speakable(piece):
            return []  # a lone mark, such as the second of "?!", joins what follows
        self._held = ""
        self._first = False
        return [piece]

    def _mark(self) -> bool:
        ends = CLAUSE_ENDS if self._first else SENTENCE_ENDS
        return bool(self._held) and self._held[-1] in ends

    def _waits_for_next(self) -> bool:
        """A mark after a digit ends nothing if another digit follows: 3.5, 1,000, 12:30."""
        return self._mark() and self._held[-2:-1].isdigit()

    def _ends_here(self) -> bool:
        if not self._mark() or self._waits_for_next():
            return False
        if self._held[-1] != ".":
            return True
        word = self._held[:-1].split()[-1:] or [""]
        # An initial (J. Smith), an abbreviation, or the start of an ellipsis.
        initial = len(word[0]) == 1 and word[0].isupper() and word[0] != "I"
        return not initial and word[0].lower() not in _ABBREVIATIONS


def _speakable(text: str) -> bool:
    return any(c.isalnum() for c in text)


class ClauseAggregator(BaseTextAggregator):
    """`ClauseSplitter` as a text aggregator of Pipecat's."""

    def __init__(self) -> None:
        super().__init__(aggregation_type=TextType.SENTENCE)
        self._splitter = ClauseSplitter()

    @property
    def text(self) -> Aggregation:
        """The text that is held back."""
        return Aggregation(text=self._splitter.held.strip(), type=TextType.SENTENCE)

    async def aggregate(self, text: str) -> AsyncIterator[Aggregation]:
        """Takes a token's text; yields what can be spoken."""
        for piece in self._splitter.feed(text):
            yield Aggregation(text=piece, type=TextType.SENTENCE)

    async def flush(self) -> Aggregation | None:
        """The rest, at the end of the answer."""
        rest = self._splitter.flush()
        return Aggregation(text=rest, type=TextType.SENTENCE) if rest else None

    async def handle_interruption(self) -> None:
        """Clears the text held."""
        self._splitter.reset()

    async def reset(self) -> None:
        """Clears the text held."""
        self._splitter.reset()


class SpeakAhead:
    """Hands an answer's first piece to the synthesiser before the answer is released.

    Pipecat holds the answer to a predicted turn in the language model's service, so the synthesiser
    behind it hears of it only once the turn is over. What it makes of this piece waits in its
    process, and is taken up when the same text is released.

    Args:
        prepare: Takes a text to be synthesised and the id of the LLM request that it answers.
    """

    def __init__(self, prepare: Callable[[str, str], None]) -> None:
        self._prepare = prepare
        self._splitter = ClauseSplitter()
        self._request_id = ""

    def begin(self, request_id: str, speculation: bool) -> None:
        """An answer begins.

        Args:
            request_id: The LLM request.
            speculation: Whether its turn may not be over: nothing is done ahead otherwise.
        """
        self._splitter.reset()
        self._request_id = request_id if speculation else ""

    def add(self, text: str) -> None:
        """Takes more of the answer."""
        if self._request_id and (pieces := self._splitter.feed(text)):
            self._hand_on(pieces[0])

    def end(self) -> None:
        """The answer is whole: it may have been a single piece."""
        if self._request_id and (rest := self._splitter.flush()):
            self._hand_on(rest)

    def _hand_on(self, piece: str) -> None:
        self._prepare(piece, self._request_id)
        self._request_id = ""
