"""The common part of engines of language models: the words ``chat`` and ``prime``, and the marks.

Request ``chat`` with header ``messages`` (and ``max_tokens``) answers ``{"text": piece}`` for each
token that carries text, then ``{"tokens": n}``. Where the messages do not fit into the context, the
oldest leave (`pipelines.engines.llm.context`), and ``{"gone": [start, stop]}`` of them comes first.
Request ``prime`` reads the messages into the prefix cache and answers nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.llm.context import Fit
from pipelines.engines.row import Model
from pipelines.process.engine import Emit, EngineError, Request
from pipelines.weights.gguf import check_gguf, read_facts

if TYPE_CHECKING:
    from pipelines.engines.options import LlmOptions

Messages = list[dict[str, str]]
Take = Callable[[str], bool]
"""Takes a token's text; returns whether to stop."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Use of a prompt, in tokens."""

    read: int
    """Tokens read for this answer."""
    cached: int
    """Tokens known from the last answer: they were in the prefix cache."""

    @property
    def tokens(self) -> int:
        """All of it."""
        return self.read + self.cached


class TooLongError(EngineError):
    """A prompt is longer than the context.

    Args:
        sentence: For the user.
        tokens: Of the prompt.
    """

    def __init__(self, sentence: str, tokens: int) -> None:
        super().__init__(sentence)
        self.tokens = tokens


CHAT_CAPABILITIES = ("streaming", "prefix cache", "any GGUF with a chat template")
"""Capabilities in the rows of these engines."""
TRIES = 3
"""Times that a prompt is shortened whose length the model itself has counted."""
_MOST_CONTEXT = 8192  # some models were trained for a context whose cache fits no memory


class ChatEngine:
    """One GGUF file in memory; its prefix cache holds the conversation between the turns."""

    def __init__(
        self,
        *,
        model: str,
        system: str = "",
        context_tokens: int = 0,
        threads: int = 1,
        gpu_layers: int = 0,
        temperature: float = 0.0,
    ) -> None:
        """Describes the model.

        Args:
            model: Path of the GGUF file.
            system: A system prompt to warm up with.
            context_tokens: Most tokens of prompt and answer together; 0: as many as the model was
                trained for, 8192 at most.
            threads: Threads for the prompt and for decoding: tiny models want one.
            gpu_layers: Layers to put on a GPU.
            temperature: 0 always takes the likeliest token.
        """
        self.path = Path(model)
        self.context_tokens = context_tokens
        self.threads = threads
        self.gpu_layers = gpu_layers
        self.temperature = temperature
        self._system = system
        self._fit = Fit()

    def load(self) -> None:
        """Checks the file, then loads it."""
        check_gguf(self.path)
        facts = read_facts(self.path)
        if "tokenizer.chat_template" not in facts:
            raise EngineError(
                f"{self.path.name} has no chat template, so it can't distinguish the "
                "user's words from its own: take the model's 'instruct' or 'chat' form"
            )
        trained = int(facts.get(f"{facts.get('general.architecture')}.context_length", 0))
        if not self.context_tokens:
            self.context_tokens = min(trained, _MOST_CONTEXT)
        self.load_checked()

    def load_checked(self) -> None:
        """Loads the file, which is known to be a GGUF with a chat template."""
        raise NotImplementedError

    def chat(self, messages: Messages, max_tokens: int, take: Take) -> Prompt | None:
        """Answers, token by token, until ``take`` says stop; None: its library does not report
        it.

        Raises:
            TooLongError: the messages do not fit into the context.
        """
        raise NotImplementedError

    def warm_up(self) -> None:
        """Answers one token to a greeting, which leaves the system prompt in the prefix cache."""
        messages = [{"role": "user", "content": "hello"}]
        if self._system:
            messages.insert(0, {"role": "system", "content": self._system})
        self.chat(messages, 1, lambda _: False)

    def run(self, request: Request, emit: Emit) -> None:
        """Serves ``chat`` or ``prime``."""
        messages = request.header["messages"]
        if request.op == "prime":
            if (primed := self.chat(messages, 1, lambda _: emit.cancelled)) is not None:
                self._fit.learn(messages, primed.tokens)
            return
        answer: list[str] = []
        speakable = False

        def take(text: str) -> bool:
            nonlocal speakable
            if emit.cancelled:
                return True
            if not answer:
                emit.mark("llm", "first_token")
            answer.append(text)
            if not speakable and any(c.isalnum() for c in text):
                speakable = True
                emit.mark("llm", "first_speakable")
            emit({"text": text})
            return False

        prompt = self._chat_within(messages, int(request.header.get("max_tokens", 96)), take, emit)
        if not emit.cancelled:
            if prompt is not None:
                emit.mark("llm", "prompt_read", value=prompt.read)
                emit.mark("llm", "prompt_cached", value=prompt.cached)
            emit.mark("llm", "end", value=len(answer), text="".join(answer))
            emit({"tokens": len(answer)})

    def _chat_within(
        self, messages: Messages, max_tokens: int, take: Take, emit: Emit
    ) -> Prompt | None:
        """Answers what of the messages fits into the context.

        Raises:
            TooLongError: not even the last question does.
        """
        room = self.context_tokens - max_tokens
        gone = self._fit.leaving(messages, room)
        for left_tries in reversed(range(TRIES)):
            kept = [m for k, m in enumerate(messages) if k not in gone]
            if gone:
                emit({"gone": [gone.start, gone.stop]})
                how = "counted" if self._fit.is_counted else "estimated"
                emit.mark("llm", "trimmed", value=self._fit.tokens(kept), text=how)
            try:
                prompt = self.chat(kept, max_tokens, take)
            except TooLongError as error:
                self._fit.learn(kept, error.tokens)
                more = self._fit.leaving(messages, room)
                if not left_tries or len(more) <= len(gone):
                    raise
                gone = more
                continue
            if prompt is not None:
                self._fit.learn(kept, prompt.tokens)
            return prompt
        return None


def chat_arguments(options: LlmOptions, model: Model) -> dict[str, Any]:
    """Keyword arguments of a `ChatEngine`."""
    return {
        "model": str(model.path),
        "system": f"{options.system} {model.system_prompt}".strip(),
        "context_tokens": options.context_tokens,
        "threads": options.threads,
        "gpu_layers": options.gpu_layers,
        "temperature": options.temperature,
    }
