"""``GET /face`` of recorded users: the page of a `Stage`, its WebSocket, and the feed of its face.

No row of the table: a run with a face opens these routes, without the service.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pipelines.server.access.names import same
from pipelines.server.doors.holding import short
from pipelines.server.doors.pages import (
    FACE_PATH,
    OFFER_PATH,
    answer_page,
    to_page,
    until_one_ends,
    write,
)
from pipelines.server.offer import BodyError
from pipelines.server.stage import Stage, check_fed, ping

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

FEED_PATH = "/feed"
PING_S = 0.5
WRONG_DATA = 1007
"""Close code of a feed that brings what it may not."""


def stage_app(stage: Stage, fed: bool = True) -> Starlette:
    """The routes of a stage.

    Args:
        stage: The face.
        fed: Whether feeds come here too.
    """
    from starlette.routing import Route, WebSocketRoute

    async def show(socket: WebSocket) -> None:
        await _show(socket, stage)

    app = feed_app(stage) if fed else _app()
    app.router.routes += [
        Route("/", to_page(FACE_PATH)),
        Route(FACE_PATH, answer_page),
        WebSocketRoute(FACE_PATH, show),
        Route(OFFER_PATH, _no_call, methods=["POST"]),
    ]
    return app


def feed_app(stage: Stage) -> Starlette:
    """The route of a stage's feeds alone: an agent need not trust the page's certificate."""
    from starlette.routing import WebSocketRoute

    async def feed(socket: WebSocket) -> None:
        await _take(socket, stage)

    app = _app()
    app.router.routes.append(WebSocketRoute(FEED_PATH, feed))
    return app


def _app() -> Starlette:
    from starlette.applications import Starlette

    return Starlette()


async def _no_call(_: Request) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("nobody listens here: this face plays recorded users\n", 404)


async def _show(socket: WebSocket, stage: Stage) -> None:
    """A page's WebSocket, until it is closed."""
    await socket.accept()
    page, outbox = stage.enter()

    async def pinged() -> None:
        while True:
            outbox.put(ping())
            await asyncio.sleep(PING_S)

    async def told() -> None:
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            if (text := message.get("text")) is not None:
                stage.told(page, text)

    try:
        await until_one_ends(write(socket, outbox), pinged(), told())
    finally:
        stage.leave(page)
        with contextlib.suppress(Exception):  # it may be closed already
            await socket.close()


async def _take(socket: WebSocket, stage: Stage) -> None:
    """A feed, until it is closed or brings what it may not."""
    from starlette.responses import PlainTextResponse

    if not same(socket.query_params.get("token", ""), stage.token):
        refusal = PlainTextResponse("a feed needs the server's token\n", 403)
        await socket.send_denial_response(refusal)
        return
    await socket.accept()
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        text, data = message.get("text"), message.get("bytes")
        brought: str | bytes = text if text is not None else data or b""
        try:
            check_fed(brought)
        except BodyError as error:
            await socket.close(WRONG_DATA, short(str(error)))
            return
        stage.put(brought)
