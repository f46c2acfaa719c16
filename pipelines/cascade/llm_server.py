"""A language model behind a server of OpenAI's protocol (Ollama, llama.cpp, vLLM …), by Pipecat.

The service is Pipecat's own; what is added are marks, a check before the first trial that the
server answers and has the model, and the key, which is read from the environment alone.
"""

# mypy: allow-untyped-calls
# (parts of Pipecat's base class have no annotations)

from __future__ import annotations

import asyncio
import os
from typing import Any

import aiohttp
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseStartFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.ollama.llm import OLLamaLLMService

from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import REQUEST_ID, forget
from pipelines.engines.llm.context import Fit
from pipelines.engines.llm.ollama import OllamaSettings
from pipelines.engines.options import OLLAMA_URL, LlmOptions
from pipelines.errors import SpecError
from pipelines.marks import EventName, MarkSink, stamp
from pipelines.process.process import next_request_id

_CHECK_S = 5.0
_LOAD_S = 120.0


SERVER_TOKENS = 4_096
"""Context of a server that nobody has told otherwise: Ollama's and llama.cpp's, both silent where a
conversation is longer."""


def make(
    options: LlmOptions, marks: MarkSink, hand_over: HandOver | None, system: str = ""
) -> ServerLLMService:
    """The service of one conversation."""
    return ServerLLMService(options, marks, hand_over, system)


class ServerLLMService(OLLamaLLMService):
    """Pipecat's service for such servers, with our marks."""

    def __init__(
        self,
        options: LlmOptions,
        marks: MarkSink,
        hand_over: HandOver | None,
        system: str = "",
    ) -> None:
        """Connects to nothing yet; ``system`` are the model's instructions."""
        super().__init__(
            base_url=options.url or OLLAMA_URL,
            api_key=_key(options) or "none",
            settings=OLLamaLLMService.Settings(
                model=options.model,
                temperature=options.temperature,
                max_tokens=options.max_tokens,
                system_instruction=system or None,
            ),
        )
        self._our_marks = marks
        self._hand_over = hand_over
        self._request_id = ""
        self._answer: list[str] = []
        self._speakable = False
        self._fit = Fit()
        self._instructions = [{"role": "system", "content": system}] if system else []
        self._room = (options.context_tokens or SERVER_TOKENS) - options.max_tokens
        self._sent: list[Any] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answers a context; passes everything else on."""
        if not isinstance(frame, LLMContextFrame):
            await super().process_frame(frame, direction)
            return
        request_id = self._request_id = next_request_id("llm")
        self._answer, self._speakable = [], False
        if self._hand_over:
            self._hand_over.expect(request_id)
        self._keep_within(frame.context)
        self._mark("request")
        try:
            await super().process_frame(frame, direction)
        except asyncio.CancelledError:
            self._mark("cancelled")
            raise
        if self._answer:
            text = "".join(self._answer)
            self._mark("end", value=len(self._answer), text=text)
            self._our_marks.put(
                stamp("agent", "answer_text", request_id=request_id, text=text.strip())
            )

    async def start_llm_usage_metrics(self, tokens: LLMTokenUsage) -> None:
        """Takes the number of tokens that the server has counted."""
        self._fit.learn(self._sent, tokens.prompt_tokens)
        await super().start_llm_usage_metrics(tokens)

    def _keep_within(self, context: LLMContext) -> None:
        """Lets the oldest exchanges leave a context that is full, for good."""
        messages: list[Any] = [m for m in context.get_messages() if isinstance(m, dict)]
        first = len(self._instructions)
        gone = self._fit.leaving([*self._instructions, *messages], self._room)
        if gone:
            forget(context, messages[gone.start - first : gone.stop - first])
            messages = [m for m in context.get_messages() if isinstance(m, dict)]
        self._sent = [*self._instructions, *messages]
        if gone:
            how = "counted" if self._fit.is_counted else "estimated"
            self._mark("trimmed", value=self._fit.tokens(self._sent), text=how)

    async def cleanup(self) -> None:
        """Closes the connections, which Pipecat leaves open."""
        await super().cleanup()
        await self._client.close()

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Names the answer in its first frame, so that its speech can be connected to it."""
        if isinstance(frame, LLMFullResponseStartFrame):
            frame.metadata[REQUEST_ID] = self._request_id
        await super().push_frame(frame, direction)

    async def _push_llm_text(self, text: str) -> None:
        if not self._answer:
            self._mark("first_token")
        self._answer.append(text)
        if not self._speakable and any(c.isalnum() for c in text):
            self._speakable = True
            self._mark("first_speakable")
        await super()._push_llm_text(text)

    def _mark(
        self, event: EventName, *, value: float | None = None, text: str | None = None
    ) -> None:
        self._our_marks.put(
            stamp("llm", event, request_id=self._request_id, value=value, text=text)
        )


async def check_server(options: LlmOptions) -> None:
    """Asks the server for its models, so that a missing server is found before the first trial.

    Raises:
        SpecError: it does not answer, refuses the key, or has no such model.
    """
    url = options.url or OLLAMA_URL
    if not options.model:
        raise SpecError(f"[llm]: engine = {options.engine!r} needs the model's name: set 'model'.")
    key = _key(options)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        timeout = aiohttp.ClientTimeout(total=_CHECK_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(f"{url.rstrip('/')}/models") as response,
        ):
            status = response.status
            table: Any = await response.json(content_type=None) if status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise SpecError(
            f"[llm]: no server of OpenAI's protocol answers at {url} "
            f"({str(error) or type(error).__name__}): start it ('ollama serve'), or set 'url'."
        ) from error
    if status in (401, 403):
        raise SpecError(
            f"[llm]: the server at {url} refuses the key (status {status}): put it into an "
            "environment variable, and that one's name into 'api_key_variable'."
        )
    known = [str(row["id"]) for row in (table or {}).get("data") or () if "id" in row]
    if known and not {options.model, f"{options.model}:latest"} & set(known):
        raise SpecError(
            f"[llm]: the server at {url} has no model {options.model!r}; it has: "
            f"{', '.join(known[:20])}. With Ollama: ollama pull {options.model}."
        )


async def load_ollama(options: LlmOptions) -> None:
    """Checks an Ollama server, and lets it load the model: the first answer must not wait for that.

    Raises:
        SpecError: see `check_server`; or the server can't load the model.
    """
    await check_server(options)
    url = (options.url or OLLAMA_URL).rstrip("/").removesuffix("/v1")
    keep_alive = options.settings.get("keep_alive", OllamaSettings().keep_alive)
    body = {"model": options.model, "keep_alive": keep_alive, "stream": False}
    key = _key(options)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=_LOAD_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(f"{url}/api/generate", json=body) as response,
        ):
            status, said = response.status, (await response.text())[:200]
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SpecError(
            f"[llm]: the server at {url} did not load {options.model!r} within {_LOAD_S:.0f} s "
            f"({str(error) or type(error).__name__})."
        ) from error
    if status not in (200, 404):  # 404: it speaks OpenAI's protocol alone
        raise SpecError(f"[llm]: the server at {url} can't load {options.model!r}: {said}")


def _key(options: LlmOptions) -> str:
    if not options.api_key_variable:
        return ""
    key = os.environ.get(options.api_key_variable, "")
    if not key:
        raise SpecError(
            f"[llm]: the environment variable {options.api_key_variable} is not set: it must hold "
            "the server's key."
        )
    return key
