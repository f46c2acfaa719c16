"""The voice works on a prediction too: an answer's first piece is synthesised ahead of its release.

Pipecat holds an answer to a predicted turn in the language model's service, so the synthesiser
behind it hears of it only at the commit. This hands it the first piece at once; what it makes waits
in its process, and `ModelTTSService.run_tts` takes it up when the same text is released.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.cascade.clauses import ClauseSplitter

Prepare = Callable[[str, str], None]
"""Takes a text to be synthesised and the id of the LLM request that it answers."""


class SpeakAhead:
    """Cuts the first piece off an answer as it grows, and hands it on once."""

    def __init__(self, prepare: Prepare) -> None:
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
