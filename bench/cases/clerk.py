"""A clerk for the cases of fillers: a language model that looks everything up, and takes its time.

    python -m bench.cases.clerk PORT COMMAND…

runs a command, and beside it a server of OpenAI's chat protocol at a port of this machine. It calls
the function ``look_up`` with the user's words, and then says them back: so that what is heard right
is answered right, and each answer waits for the function as long as the last. The function is a
skill of the voice server: `SKILLS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

MODEL = "clerk"
FUNCTION = "look_up"
TAKES_S = 1.4
"""Time that the function takes, s: longer than a filler lasts."""


def reply(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The next message of the model: a call, or, once its result is there, the answer."""
    last = messages[-1] if messages else {}
    if last.get("role") == "tool":
        return {"content": f"I have looked: {_asked(messages)}."}
    call = {"name": FUNCTION, "arguments": json.dumps({"what": _asked(messages)})}
    one = {"index": 0, "id": f"call-{len(messages)}", "type": "function", "function": call}
    return {"tool_calls": [one]}


def _asked(messages: Sequence[Mapping[str, Any]]) -> str:
    """The user's last words."""
    said = [m for m in messages if m.get("role") == "user"]
    content = said[-1].get("content") if said else ""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content or "nothing")


def _skills() -> list[Any]:
    from pipelines.server.skills.skill import Skill

    async def look_up(arguments: Mapping[str, Any]) -> Any:
        await asyncio.sleep(TAKES_S)
        return {"found": arguments["what"]}

    what = {"type": "string", "description": "What is sought."}
    parameters = {"type": "object", "properties": {"what": what}, "required": ["what"]}
    return [Skill(FUNCTION, "Looks something up; slow.", parameters, look_up, budget_ms=5_000)]


def __getattr__(name: str) -> Any:
    """``SKILLS``: the clerk's function, as the voice server's options name it."""
    if name == "SKILLS":
        return _skills()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


async def chat(request: Any) -> Any:
    """Answers ``POST /v1/chat/completions``, which streams."""
    from aiohttp import web

    asked = await request.json()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    delta = reply(asked.get("messages", []))
    reason = "tool_calls" if "tool_calls" in delta else "stop"
    for choice in (
        {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": reason},
    ):
        chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
        await response.write(f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def models(request: Any) -> Any:
    """Answers ``GET /v1/models``."""
    from aiohttp import web

    return web.json_response({"object": "list", "data": [{"id": MODEL}]})


async def serve_beside(port: int, command: Sequence[str]) -> int:
    """Runs a command with the clerk's server beside it; returns its exit status."""
    from aiohttp import web

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        child = await asyncio.create_subprocess_exec(*command)
        loop = asyncio.get_running_loop()

        def hand_on() -> None:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()

        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, hand_on)
        return await child.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve_beside(int(sys.argv[1]), sys.argv[2:])))
