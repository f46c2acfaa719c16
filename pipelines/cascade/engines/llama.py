"""A language model in llama.cpp (xllamacpp), streaming, abortable.

Request ``chat`` with header ``messages`` (and ``max_tokens``) answers ``{"text": piece}`` for each
token that carries text, then ``{"tokens": n}``. Request ``prime`` reads the messages into the
prefix cache and says nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.cascade.engines.gguf import check_gguf
from pipelines.engine import Emit, EngineError, Request

_QUIET = -1


class LlamaEngine:
    """One GGUF file in memory, with one slot: its prefix cache is the conversation."""

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
            context_tokens: Most tokens of prompt and answer together; 0: the model's own number.
            threads: Threads for the prompt and for decoding: tiny models want one.
            gpu_layers: Layers to put on a GPU.
            temperature: 0 always takes the likeliest token.
        """
        self._path = Path(model)
        self._system = system
        self._context_tokens = context_tokens
        self._threads = threads
        self._gpu_layers = gpu_layers
        self._temperature = temperature
        self._server: Any = None

    def load(self) -> None:
        """Checks the file, then loads it."""
        check_gguf(self._path)
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_ctx = self._context_tokens
        params.n_parallel = 1
        params.n_gpu_layers = self._gpu_layers
        params.cpuparams.n_threads = self._threads
        params.cpuparams_batch.n_threads = self._threads
        # Saved states of other conversations, and checkpoints within one, cost time on every
        # request and memory; one conversation at a time needs neither.
        params.cache_ram_mib = 0
        params.n_ctx_checkpoints = 0
        params.endpoint_slots = False
        params.fit_params = False
        params.verbosity = _QUIET
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise EngineError(
                f"llama.cpp can't load {self._path.name} ({error}): fetch the file again"
            ) from error

    def warm_up(self) -> None:
        """Answers one token to a greeting, which leaves the system prompt in the prefix cache."""
        messages = [{"role": "user", "content": "hello"}]
        if self._system:
            messages.insert(0, {"role": "system", "content": self._system})
        self._chat(messages, 1, lambda _: False)

    def run(self, request: Request, emit: Emit) -> None:
        """Serves ``chat`` or ``prime``."""
        messages = request.header["messages"]
        if request.op == "prime":
            self._chat(messages, 1, lambda _: emit.cancelled)
            return
        answer: list[str] = []
        tokens = 0
        speakable = False

        def take(chunk: dict[str, Any]) -> bool:
            nonlocal tokens, speakable
            if emit.cancelled:
                return True
            choices = chunk.get("choices") or [{}]
            text = (choices[0].get("delta") or {}).get("content")
            if text is None:
                return False
            if tokens == 0:
                emit.mark("llm", "first_token")
            tokens += 1
            answer.append(text)
            if not speakable and any(c.isalnum() for c in text):
                speakable = True
                emit.mark("llm", "first_speakable")
            emit({"text": text})
            return False

        self._chat(messages, int(request.header.get("max_tokens", 96)), take)
        if not emit.cancelled:
            emit.mark("llm", "end", value=tokens, text="".join(answer))
            emit({"tokens": tokens})

    def _chat(self, messages: list[dict[str, str]], max_tokens: int, take: Any) -> None:
        failed: list[str] = []

        def callback(chunk: Any) -> bool:
            if isinstance(chunk, dict) and "error" in chunk:
                failed.append(str(chunk["error"].get("message", chunk["error"])))
                return True
            # A list of chunks comes where several are ready at once.
            return any([bool(take(c)) for c in (chunk if isinstance(chunk, list) else [chunk])])

        body = {
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": self._temperature,
            "stream": True,
            "cache_prompt": True,
        }
        self._server.handle_chat_completions(body, callback)
        if failed:
            raise EngineError(f"llama.cpp refused the request: {failed[0]}")
