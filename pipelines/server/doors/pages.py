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
from collections.abc import Callable
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

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from pipelines.server.session.events import Event

NAME = "pages"
PATH = "/talk"
FACE_PATH, OFFER_PATH = "/face", "/offer"
PREROLL_MS = 160
"""As in `pipelines.server.server`: of no effect where WebRTC plays the voice."""
WAITING = 2_000
"""Messages that may wait for a page; one that lets more wait is closed, and connects again."""
TICK_S = 0.1
"""Interval at which the face's states look at the time, s."""


@dataclass(slots=True)
class Page:
    """One page that is open."""

    face: SessionFace
    queue: asyncio.Queue[str]


@dataclass(slots=True)
class Pages:
    """The pages that are open, by the name of their call."""

    house: House
    _open: dict[str, Page] = field(default_factory=dict)
    _calls: set[asyncio.Task[None]] = field(default_factory=set)

    async def page(self, _: Request) -> Response:
        """The page itself, the same for both."""
        from starlette.responses import HTMLResponse

        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(page_html(), headers=headers)

    async def socket(self, socket: WebSocket) -> None:
        """A page's WebSocket, until it is closed."""
        await socket.accept()
        call = secrets.token_urlsafe(16)
        queue: asyncio.Queue[str] = asyncio.Queue(WAITING)
        options = self.house.face
        track = FaceTrack(read_policy(options.states or TABLE), options.version)
        face = SessionFace(track, self._putter(queue))
        plain = {"plain": True} if socket.query_params.get("plain") else {}
        title = " · ".join(self.house.service.names)
        hello = {"type": "hello", "mode": "live", "title": title, "preroll_ms": PREROLL_MS}
        queue.put_nowait(json.dumps(hello | {"call": call} | plain))
        self._open[call] = Page(face, queue)
        tasks = [
            asyncio.create_task(work)
            for work in (self._write(socket, queue), self._tick(face), self._drain(socket))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._open[call]
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            with contextlib.suppress(Exception):  # it may be closed already
                await socket.close()

    async def offer(self, request: Request) -> Response:
        """A page's offer: its call's events go to the page."""
        from starlette.responses import PlainTextResponse

        try:
            body = await read_body(request)
        except BodyError as error:
            return PlainTextResponse(f"this is no offer of a call: {error}\n", 400)
        page = self._open.get(_call_of(body))
        watch: Callable[[Event], None] | None = page.face.take if page else None
        return await take_offer(request, body, self.house, self._calls, watch)

    @staticmethod
    def _putter(queue: asyncio.Queue[str]) -> Callable[[str], None]:
        def put(text: str) -> None:
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait("")  # the writer ends by it

        return put

    @staticmethod
    async def _write(socket: WebSocket, queue: asyncio.Queue[str]) -> None:
        while text := await queue.get():
            await socket.send_text(text)

    @staticmethod
    async def _tick(face: SessionFace) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            face.tick()

    @staticmethod
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
        Route(PATH, pages.page),
        Route(FACE_PATH, pages.page),
        WebSocketRoute(FACE_PATH, pages.socket),
        Route(OFFER_PATH, pages.offer, methods=["POST"]),
    ]


ROW = DoorRow(
    NAME, PATH, "a page to talk by microphone; /face shows a face", _add, ("aiortc", "av")
)
