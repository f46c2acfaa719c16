"""The moment at which an answer's first text is handed on to be spoken (mark ``llm.to_tts``)."""

from __future__ import annotations

from pipecat.utils.text.base_text_aggregator import TextType

from pipelines.marks import MarkSink, stamp


class HandOver:
    """A text transform of Pipecat's that changes nothing: it runs as the aggregator lets go."""

    def __init__(self, marks: MarkSink) -> None:
        self._marks = marks
        self._request_id = ""

    def expect(self, request_id: str) -> None:
        """The next text handed on is the first of this LLM request's answer."""
        self._request_id = request_id

    async def __call__(self, text: str, kind: TextType | str) -> str:
        """Stamps an answer's first text; returns the text as it is."""
        if self._request_id:
            self._marks.put(stamp("llm", "to_tts", request_id=self._request_id))
            self._request_id = ""
        return text
