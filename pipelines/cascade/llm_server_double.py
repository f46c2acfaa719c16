"""A server of OpenAI's chat protocol with preset answers: for tests and drills.

It serves ``GET /v1/models`` and ``POST /v1/chat/completions`` with ``stream``, in messages of the
shape that Ollama and llama.cpp send, and Ollama's ``POST /api/generate`` without a prompt, which
loads a model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

CHARACTERS_A_TOKEN = 2
"""By which it counts the tokens of what it is asked."""


class ChatServerDouble:
    """Answers every request with the same tokens; keeps the requests."""

    def __init__(
        self,
        tokens: Sequence[str] = ("Okay", ", ", "done", "."),
        *,
        models: Sequence[str] = ("small",),
        key: str = "",
        interval_s: float = 0.0,
        status: int = 200,
        calls: Sequence[tuple[str, str]] = (),
        before: Sequence[str] = (),
    ) -> None:
        """Describes the server.

        Args:
            tokens: Tokens of its answer.
            models: Its models.
            key: Key that it requires; empty: none.
            interval_s: Time before each token.
            status: HTTP status of its answers; an error's number makes it refuse.
            calls: Functions that it calls first, (name, arguments as JSON); it answers once
                 their results are among the messages.
            before: Tokens that it says before it calls them.
        """
        self._tokens = tokens
        self._models = models
        self._key = key
        self._interval_s = interval_s
        self._status = status
        self._calls = calls
        self._before = before
        self.asked: list[dict[str, Any]] = []
        """The bodies of all requests."""
        self.loaded: list[dict[str, Any]] = []
        """The bodies of all requests to load a model."""
        self.broken_off = 0
        """Number of answers whose client left before their end."""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serves on a free port of this machine; yields the URL."""
        app = web.Application()
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/api/generate", self._load)
        # Without handler_cancellation the server would not notice that a client left.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        return web.json_response({"object": "list", "data": [{"id": m} for m in self._models]})

    async def _load(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        self.loaded.append(await request.json())
        if self._status != 200:
            return web.json_response({"error": "not enough memory"}, status=self._status)
        return web.json_response({"done": True, "done_reason": "load"})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        self.asked.append(await request.json())
        if self._status != 200:
            return web.json_response({"error": {"message": "a bad day"}}, status=self._status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        messages = self.asked[-1].get("messages", ())
        calls = self._calls if not any(m.get("role") == "tool" for m in messages) else ()
        deltas: list[dict[str, Any]] = [
            {"content": token} for token in (self._before if calls else self._tokens)
        ]
        deltas += [_call(i, *call) for i, call in enumerate(calls)]
        try:
            for delta in [{"role": "assistant"}, *deltas]:
                await asyncio.sleep(self._interval_s)
                await response.write(_event([{"index": 0, "delta": delta, "finish_reason": None}]))
            why = "tool_calls" if calls else "stop"
            await response.write(_event([{"index": 0, "delta": {}, "finish_reason": why}]))
            used = len(self._tokens)
            read = sum(len(str(m.get("content") or "")) for m in messages) // CHARACTERS_A_TOKEN
            usage = {"prompt_tokens": read, "completion_tokens": used, "total_tokens": used + read}
            await response.write(_event([], usage=usage) + b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionError):
            self.broken_off += 1
            raise
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._key and request.headers.get("Authorization") != f"Bearer {self._key}":
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        return None


def _call(index: int, name: str, arguments: str) -> dict[str, Any]:
    """The piece of a stream that calls a function."""
    call = {
        "index": index,
        "id": f"call-{index}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    return {"tool_calls": [call]}


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 0, "model": "small"}
    return f"data: {json.dumps({**chunk, 'choices': choices, **more})}\n\n".encode()
