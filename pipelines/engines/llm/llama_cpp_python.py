"""A language model in llama.cpp by llama-cpp-python, which is compiled on the user's machine.

It keeps the last prompt's state and reads only what is new of the next: its prefix cache.
"""

from __future__ import annotations

import re
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
from pipelines.engines.row import EngineRow
from pipelines.process.engine import EngineError

_TOO_LONG = re.compile(r"\((\d+)\) exceed context window")


class LlamaCppPythonEngine(ChatEngine):
    """One GGUF file."""

    _llama: Any = None

    def load_checked(self) -> None:
        """Loads the file."""
        from llama_cpp import Llama

        try:
            self._llama = Llama(
                model_path=str(self.path),
                n_ctx=self.context_tokens,
                n_threads=self.threads,
                n_threads_batch=self.threads,
                n_gpu_layers=self.gpu_layers,
                verbose=False,
            )
        except (ValueError, RuntimeError) as error:
            raise EngineError(
                f"llama.cpp can't load {self.path.name} ({error}): fetch the file again"
            ) from error

    def chat(self, messages: Messages, max_tokens: int, take: Take) -> Prompt | None:
        """Answers, token by token."""
        try:
            chunks = self._llama.create_chat_completion(
                messages, max_tokens=max_tokens, temperature=self.temperature, stream=True
            )
            for chunk in chunks:
                text = chunk["choices"][0]["delta"].get("content")
                if text is not None and take(text):
                    break
        except ValueError as error:
            said = f"llama.cpp refused the request: {error}"
            if counted := _TOO_LONG.search(str(error)):
                raise TooLongError(said, int(counted[1])) from error
            raise EngineError(said) from error
        return None


ROW = EngineRow(
    stage="llm",
    name="llama-cpp-python",
    what="llama.cpp by llama-cpp-python, compiled here",
    licence="MIT",
    engine=LlamaCppPythonEngine,
    arguments=chat_arguments,
    called="{model}",
    reads=("model",),
    model="creature-3m",
    environment="llama",
    maker="pipelines.engines.synthetic.gguf:MAKER",
    capabilities=CHAT_CAPABILITIES,
    measured=("0.5b", "1b"),
)
