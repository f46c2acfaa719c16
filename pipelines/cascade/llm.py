"""A language model by a `ModelProcess`, as a Pipecat service.

An interruption cancels the task that runs `process_frame`; leaving its loop cancels the request in
the child too, where llama.cpp stops at the next token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings

from pipelines.cascade.clauses import SpeakAhead
from pipelines.cascade.handover import HandOver
from pipelines.engines.options import LlmOptions
from pipelines.errors import ModelError
from pipelines.marks import MarkSink, stamp
from pipelines.process.failures import report_failure
from pipelines.process.link import ModelRequest
from pipelines.process.process import ModelProcess, next_request_id

REQUEST_ID = "request_id"
"""Key in a response's start frame's metadata, which connects the response with its TTS requests."""


class ModelLLMService(LLMService):
    """Answers each LLMContextFrame, token by token."""

    def __init__(
        self,
        process: ModelProcess,
        *,
        marks: MarkSink,
        options: LlmOptions,
        hand_over: HandOver | None = None,
        ahead: SpeakAhead | None = None,
        max_tokens: int = 0,
        system: str = "",
    ) -> None:
        """Makes the service of one conversation; ``process`` may serve many, one after another.

        ``ahead`` gets the answers to turns that are only predicted to be over. ``max_tokens`` is
        the longest answer; 0: as the options say. ``system`` are the model's instructions; empty:
        the context may hold some.
        """
        super().__init__(
            settings=LLMSettings(
                model=process.name,
                system_instruction=system or None,
                temperature=options.temperature,
                max_tokens=max_tokens or options.max_tokens,
                top_p=None,
                top_k=None,
                frequency_penalty=None,
                presence_penalty=None,
                seed=None,
                filter_incomplete_user_turns=False,
                user_turn_completion_config=None,
            )
        )
        self._process = process
        self._marks = marks
        self._instructions = [{"role": "system", "content": system}] if system else []
        self._max_tokens = max_tokens or options.max_tokens
        self._hand_over = hand_over
        self._ahead = ahead
        self._added_ttft_s = options.added_ttft_ms / 1000

    def can_generate_metrics(self) -> bool:
        """Whether Pipecat may collect metrics: yes."""
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answers a context; passes everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._answer(frame.context, speculation=frame.speculation)
        else:
            await self.push_frame(frame, direction)

    async def _answer(self, context: LLMContext, *, speculation: bool) -> None:
        request_id = next_request_id("llm")
        start = LLMFullResponseStartFrame()
        start.metadata[REQUEST_ID] = request_id
        await self.push_frame(start)
        await self.start_processing_metrics()
        await self.start_ttfb_metrics()
        request: ModelRequest | None = None
        try:
            await self._process.ensure_running()
            told = chat_messages(context)
            messages = [*self._instructions, *(message for message, _ in told)]
            sources = [source for _, source in told]
            body = {"messages": messages, "max_tokens": self._max_tokens}
            if self._hand_over:
                self._hand_over.expect(request_id)
            if self._ahead:
                self._ahead.begin(request_id, speculation)
            self._marks.put(stamp("llm", "request", request_id=request_id))
            await asyncio.sleep(self._added_ttft_s)
            request = self._process.open("chat", body, request_id=request_id, marks=self._marks)
            await self._stream(
                request, context, [None, *sources] if self._instructions else sources
            )
        except ModelError as error:
            await report_failure(self, self._marks, error, request_id)
        finally:
            if request is not None and not request.ended:
                request.cancel()
                self._marks.put(stamp("llm", "cancelled", request_id=request_id))
        # Not where the answer was cancelled: an end frame would cause its last words to be spoken.
        await self.stop_processing_metrics()
        await self.push_frame(LLMFullResponseEndFrame())

    async def _stream(
        self, request: ModelRequest, context: LLMContext, sources: Sequence[Any]
    ) -> None:
        """Pushes the answer.

        Args:
            request: To the model.
            context: What it answers; it loses what did not fit.
            sources: The context's message behind each that was sent; None: it has none.
        """
        answer: list[str] = []
        async for header, _ in request:
            if "gone" in header:
                forget(context, sources[slice(*header["gone"])])
            elif "text" in header:
                await self.stop_ttfb_metrics()
                answer.append(header["text"])
                await self._push_llm_text(header["text"])
                if self._ahead:
                    self._ahead.add(header["text"])
            else:
                if self._ahead:
                    self._ahead.end()
                text = "".join(answer).strip()
                self._marks.put(stamp("agent", "answer_text", request_id=request.id, text=text))


def chat_messages(context: LLMContext) -> list[tuple[dict[str, str], Any]]:
    """The context as plain role and text, the only form that a small model's template knows.

    Returns:
        (message, the context's own message behind it).
    """
    messages: list[tuple[dict[str, str], Any]] = []
    for message in context.get_messages():
        if not isinstance(message, dict):
            continue  # meant for another provider
        role = str(message.get("role", "user"))
        if text := _plain_text(message.get("content")):
            plain = {"role": "system" if role == "developer" else role, "content": text}
            messages.append((plain, message))
    return messages


def forget(context: LLMContext, gone: Sequence[Any]) -> None:
    """Takes messages out of a context."""
    gone_ids = {id(message) for message in gone}
    context.set_messages([m for m in context.get_messages() if id(m) not in gone_ids])


def _plain_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(p["text"]) for p in parts if isinstance(p, dict) and "text" in p)
