"""The slow reasoner: a language model that plans each task, in a process of its own.

It thinks at a lower priority than the models that speak, token by token, and stops at the next
token where a task is withdrawn. Its child needs no Pipecat.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pipelines.process.engine import Emit, EngineError, Request, imported
from pipelines.watch.engine import NICE

Messages = list[dict[str, str]]
Unwanted = Callable[[], bool]
"""Whether nobody waits for the answer any more."""
SYSTEM = (
    "You plan for a robot that talks while you think. Give the steps of the task, one short line "
    "each, and nothing else."
)
"""Text before each task."""


class Thinker(Protocol):
    """A language model that can be stopped at any token."""

    def think(self, messages: Messages, most_tokens: int, unwanted: Unwanted) -> str:
        """Its answer; what there is of it, where nobody wants it any more."""


class PlannerEngine:
    """Serves ``plan``: {task, …} → {"plan": text}, with the tokens that it took.

    Args:
        engine: ``module:class`` of a language model's engine; empty: a server has it.
        options: Keyword arguments of that class, or of `ServerThinker`.
        most_tokens: Longest plan, in tokens.
    """

    def __init__(self, *, engine: str, options: Mapping[str, Any], most_tokens: int) -> None:
        self._engine = engine
        self._options = dict(options)
        self._most_tokens = most_tokens
        self._thinker: Thinker | None = None

    def load(self) -> None:
        """Steps back behind the models that speak, and loads the language model."""
        os.nice(NICE)
        if not self._engine:
            self._thinker = ServerThinker(**self._options)
            return
        model = imported(self._engine)(**self._options)
        model.load()
        self._thinker = LocalThinker(model)

    def warm_up(self) -> None:
        """Nothing: a plan is not waited for."""

    def run(self, request: Request, emit: Emit) -> None:
        """Plans one task."""
        assert self._thinker is not None
        emit.mark("watch", "plan_start")
        task = json.dumps(request.header, ensure_ascii=False)
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]
        plan = self._thinker.think(messages, self._most_tokens, lambda: emit.cancelled)
        if not emit.cancelled:
            emit.mark("watch", "plan_end")
            emit({"plan": plan.strip()})


class LocalThinker:
    """An engine of ours, in this process.

    Args:
        model: A `pipelines.engines.llm.chat.ChatEngine`, loaded.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def think(self, messages: Messages, most_tokens: int, unwanted: Unwanted) -> str:
        """Its answer."""
        pieces: list[str] = []

        def take(text: str) -> bool:
            pieces.append(text)
            return unwanted()

        self._model.chat(messages, most_tokens, take)
        return "".join(pieces)


class ServerThinker:
    """A server of OpenAI's protocol: Ollama, llama.cpp, vLLM.

    Args:
        url: Address of its ``/v1``.
        model: Its name there.
        api_key_variable: Environment variable that holds its key; empty: it needs none.
        timeout_s: Longest silence, s.
    """

    def __init__(
        self, *, url: str, model: str, api_key_variable: str = "", timeout_s: float = 60.0
    ) -> None:
        self._url = url.rstrip("/")
        self._model = model
        self._key = os.environ.get(api_key_variable, "") if api_key_variable else ""
        self._timeout_s = timeout_s

    def think(self, messages: Messages, most_tokens: int, unwanted: Unwanted) -> str:
        """Its answer, by a stream that is broken off where nobody waits any more.

        Raises:
            EngineError: the server does not answer, or refuses.
        """
        body = {"model": self._model, "messages": messages, "max_tokens": most_tokens}
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(
            f"{self._url}/chat/completions",
            json.dumps(body | {"stream": True}).encode(),
            headers,
        )
        pieces: list[str] = []
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                for line in response:
                    if unwanted():
                        break
                    pieces += _texts(line)
        except OSError as error:
            raise EngineError(f"the planner's server at {self._url} failed: {error}") from error
        return "".join(pieces)


def _texts(line: bytes) -> Sequence[str]:
    """The text of a line of the stream; none of others."""
    data = line.strip().removeprefix(b"data:").strip()
    if not line.startswith(b"data:") or data == b"[DONE]":
        return ()
    try:
        choices = json.loads(data).get("choices") or ()
    except ValueError:
        return ()
    return [str(c["delta"]["content"]) for c in choices if c.get("delta", {}).get("content")]
