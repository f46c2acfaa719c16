"""A language model in llama.cpp by xllamacpp, which comes compiled: streaming, abortable."""

from __future__ import annotations

from typing import Any

from pipelines.engines.llm.chat import (
    CHAT_CAPABILITIES,
    ChatEngine,
    Messages,
    Prompt,
    Take,
    TooLongError,
    chat_arguments,
)
from pipelines.engines.row import BY_RANDOM_WEIGHTS, EngineRow
from pipelines.process.engine import EngineError

_QUIET = -1


class LlamaEngine(ChatEngine):
    """One GGUF file, with one slot: its prefix cache is the conversation."""

    _server: Any = None

    def load_checked(self) -> None:
        """Loads the file."""
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.n_ctx = self.context_tokens
        params.n_parallel = 1
        params.n_gpu_layers = self.gpu_layers
        params.cpuparams.n_threads = self.threads
        params.cpuparams_batch.n_threads = self.threads
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
                f"llama.cpp can't load {self.path.name} ({error}): fetch the file again"
            ) from error

    def chat(self, messages: Messages, max_tokens: int, take: Take) -> Prompt | None:
        """Answers, token by token."""
        failed: list[dict[str, Any]] = []
        prompts: list[Prompt] = []

        def one(chunk: dict[str, Any]) -> bool:
            if timings := chunk.get("timings"):  # the last chunk's
                prompts.append(Prompt(int(timings["prompt_n"]), int(timings.get("cache_n", 0))))
            choices = chunk.get("choices") or [{}]
            text = (choices[0].get("delta") or {}).get("content")
            return take(text) if text is not None else False

        def callback(chunk: Any) -> bool:
            if isinstance(chunk, dict) and "error" in chunk:
                failed.append(chunk["error"])
                return True
            # A list of chunks comes where several are ready at once.
            return any([one(c) for c in (chunk if isinstance(chunk, list) else [chunk])])

        body = {
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": self.temperature,
            "stream": True,
            "cache_prompt": True,
        }
        self._server.handle_chat_completions(body, callback)
        if failed:
            why = failed[0]
            said = f"llama.cpp refused the request: {why.get('message', why)}"
            if tokens := why.get("n_prompt_tokens"):
                raise TooLongError(said, int(tokens))
            raise EngineError(said)
        return prompts[-1] if prompts else None


ROW = EngineRow(
    stage="llm",
    name="llama",
    what="llama.cpp by xllamacpp",
    licence="MIT",
    engine=LlamaEngine,
    arguments=chat_arguments,
    called="{model}",
    reads=("model",),
    model="creature-3m",
    maker="pipelines.engines.synthetic.gguf:MAKER",
    devices=("cpu", "metal"),
    capabilities=CHAT_CAPABILITIES,
    tested=f"trained weights; {BY_RANDOM_WEIGHTS}",
    measured=("0.5b", "1b"),
)
