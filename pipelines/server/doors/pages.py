"""``GET /talk`` and ``GET /face``: pages for people, who talk by the browser's microphone.

Each page opens ``WS /face``, which names its call; its offer of WebRTC goes to ``POST /offer`` with
that name, and the call's words and face come back by the WebSocket. ``?preset=`` of the page names
a preset, ``#token=`` a bearer token, which a browser sends to no server by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.face.states import TABLE, read_policy
from pipelines.face.track import FaceTrack
from pipelines.guards.texts import parse_json
from pipelines.server.doors.door import DoorRow, House
from pipelines.server.doors.webrtc import read_body, take_offer
from pipelines.server.offer import BodyError
from pipelines.server.page import POLICY, page_html
from pipelines.server.session_face import SessionFace
from pipelines.server.stage import PREROLL_MS, Outbox

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from pipelines.server.session.events import Event

NAME = "pages"
TALK_PATH, FACE_PATH, OFFER_PATH = "/talk", "/face", "/offer"
TICK_S = 0.1
"""Interval at which the face's states look at the time, s."""


@dataclass(slots=True)
class Pages:
    """The pages that are open, by the name of their call."""

    house: House
    _open: dict[str, SessionFace] = field(default_factory=dict)
    _calls: set[asyncio.Task[None]] = field(default_factory=set)
    _calling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def socket(self, socket: WebSocket) -> None:
        """A page's WebSocket, until it is closed."""
        await socket.accept()
        call, outbox = secrets.token_urlsafe(16), Outbox()
        face = SessionFace(self._track(), outbox.put)
        plain = {"plain": True} if socket.query_params.get("plain") else {}
        title = self.house.people.title or " · ".join(self.house.service.names)
        hello = {"type": "hello", "mode": "live", "title": title, "preroll_ms": PREROLL_MS}
        outbox.put(json.dumps(hello | {"call": call} | plain))
        self._open[call] = face
        try:
            await until_one_ends(write(socket, outbox), _tick(face), _drain(socket))
        finally:
            del self._open[call]
            with contextlib.suppress(Exception):  # it may be closed already
                await socket.close()

    async def offer(self, request: Request) -> Response:
        """A page's offer: its call's events go to the page."""
        from starlette.responses import PlainTextResponse

        try:
            body = await read_body(request)
        except BodyError as error:
            return PlainTextResponse(f"this is no offer of a call: {error}\n", 400)
        face = self._open.get(_call_of(body))
        watch: Callable[[Event], None] | None = face.take if face else None
        if not self.house.people.newest:
            return await take_offer(request, body, self.house, self._calls, watch)
        async with self._calling:  # two pages may call at the same moment
            await self._hang_up()
            return await take_offer(request, body, self.house, self._calls, watch)

    async def _hang_up(self) -> None:
        """Ends the calls that there are, so that their seats are free."""
        await self.house.service.hang_up("another page has called")
        if self._calls:
            await asyncio.wait(set(self._calls))

    def _track(self) -> FaceTrack:
        options = self.house.people.face
        return FaceTrack(read_policy(options.states or TABLE), options.version)


async def answer_page(_: Request) -> Response:
    """The page itself, the same for both."""
    from starlette.responses import HTMLResponse

    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(page_html(), headers=headers)


def to_page(path: str) -> Callable[[Request], Awaitable[Response]]:
    """Leads from the bare address to a page."""

    async def lead(_: Request) -> Response:
        from starlette.responses import RedirectResponse

        return RedirectResponse(path)

    return lead


async def write(socket: WebSocket, outbox: Outbox) -> None:
    """Sends a page its messages, as long as it keeps up."""
    while (message := await outbox.get()) is not None:
        if isinstance(message, str):
            await socket.send_text(message)
        else:
            await socket.send_bytes(message)


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Runs the parts of a connection until the first of them ends; then ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _tick(face: SessionFace) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        face.tick()


async def _drain(socket: WebSocket) -> None:
    """What a page measured is of no use here."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _call_of(body: bytes) -> str:
    """The name of the page's call, in its offer; empty: there is none."""
    try:
        table: Any = parse_json(body)
    except ValueError:
        return ""
    call = table.get("call") if isinstance(table, dict) else None
    return call if isinstance(call, str) else ""


def _add(app: Starlette, house: House) -> None:
    from starlette.routing import Route, WebSocketRoute

    pages = Pages(house)
    app.router.routes += [
        Route("/", to_page(TALK_PATH)),
        Route(TALK_PATH, answer_page),
        Route(FACE_PATH, answer_page),
        WebSocketRoute(FACE_PATH, pages.socket),
        Route(OFFER_PATH, pages.offer, methods=["POST"]),
    ]


ROW = DoorRow(
    NAME, TALK_PATH, "a page to talk by microphone; /face shows a face", _add, ("aiortc", "av")
)
