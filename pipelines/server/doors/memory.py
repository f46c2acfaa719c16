"""``/v1/memory``: what is remembered of the token's own user, for the user.

``GET`` gives all of it, a JSON object a line; ``DELETE`` forgets it, or one utterance
(``?number=``); ``PUT`` with ``{"days": 30}`` sets for how long it is kept (null: as the server
says).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pipelines.errors import LabError
from pipelines.server.access.tokens import AccessError
from pipelines.server.doors.door import DoorRow, House, admit, subject, token_of
from pipelines.server.memory.disk import owner
from pipelines.server.memory.memories import Memories
from pipelines.wires.error import WireError
from pipelines.wires.messages import json_object

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

NAME = "memory"
PATH = "/v1/memory"
MOST_BODY = 1 << 10
"""Bytes of a request's body."""
MOST_DAYS = 36_500


async def _export(request: Request, memory: Memories, user: str) -> Response:
    from starlette.responses import Response

    def lines(connection: Any) -> str:
        rows = owner.everything(connection)
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    text = await asyncio.to_thread(owner.read, memory.folder, user, lines, "")
    return Response(text, media_type="application/jsonl")


async def _forget(request: Request, memory: Memories, user: str) -> Response:
    from starlette.responses import JSONResponse

    given = request.query_params.get("number")
    if given is not None and not (given.isascii() and given.isdigit() and len(given) < 16):
        raise WireError("number must be that of an utterance")
    number = int(given) if given is not None else None
    done = memory.writer.work(user, lambda connection: owner.forget(connection, number))
    return JSONResponse({"forgotten": await asyncio.wrap_future(done)})


async def _keep_for(request: Request, memory: Memories, user: str) -> Response:
    from starlette.responses import JSONResponse

    body = await request.body()
    if len(body) > MOST_BODY:
        raise WireError(f"the body has {MOST_BODY} bytes at most")
    days = json_object(body).get("days", 0)
    if days is not None and (type(days) is not int or not 1 <= days <= MOST_DAYS):
        raise WireError(f"days must be a whole number from 1 to {MOST_DAYS}, or null")
    await asyncio.wrap_future(memory.writer.work(user, lambda c: owner.keep_for(c, days)))
    return JSONResponse({"days": days})


_METHODS: dict[str, Callable[[Request, Memories, str], Awaitable[Response]]] = {
    "GET": _export,
    "DELETE": _forget,
    "PUT": _keep_for,
}


def _add(app: Starlette, house: House) -> None:
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def route(request: Request) -> Response:
        try:
            user = subject(admit(house, token_of(request.headers.get("authorization"))))
        except AccessError as error:
            return PlainTextResponse(f"{error}\n", 401, {"WWW-Authenticate": "Bearer"})
        memory = house.service.memory
        if memory is None:
            return PlainTextResponse("this server remembers nothing\n", 404)
        user = user or memory.options.local_user
        if not user:
            return PlainTextResponse("the token has no sub: it is nobody's\n", 403)
        try:
            return await _METHODS[request.method](request, memory, user)
        except WireError as error:
            return PlainTextResponse(f"{error}\n", 400)
        except LabError as error:
            return PlainTextResponse(f"{error}\n", 503)

    app.router.routes.append(Route(PATH, route, methods=list(_METHODS)))


ROW = DoorRow(NAME, PATH, "what is remembered of a token's user: read, kept for, forgotten", _add)
