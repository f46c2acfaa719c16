"""The face's server: the page, its websocket, and what the page measured. aiohttp, one loop.

Messages reach the pages by `FaceServer.put` or by a feed's websocket (`pipelines.face.feed`). A
page that does not keep up is disconnected: it connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from pipelines.errors import LabError
from pipelines.server.page import POLICY, page_html

PREROLL_MS = 160
"""Time for which the page holds audio back: two frames, so that a frame's mouth is known before it
is heard. It delays the page's sound, and no measurement of the agent."""
WAITING = 2000
"""Longest queue of messages for one page."""
PING_S = 0.5


@dataclass(slots=True)
class Clocks:
    """Offset of the page's clock, by the quickest ping."""

    rtt_ns: int | None = None
    offset_ns: int = 0
    """Our clock − the page's."""

    def pong(self, sent_ns: int, page_ms: float, now_ns: int) -> None:
        """Takes an answer; the page's time is assumed to lie half-way."""
        rtt_ns = now_ns - sent_ns
        if self.rtt_ns is None or rtt_ns < self.rtt_ns:
            self.rtt_ns = rtt_ns
            self.offset_ns = sent_ns + rtt_ns // 2 - round(page_ms * 1e6)


@dataclass(slots=True)
class PageReport:
    """The reports of one page."""

    clocks: Clocks = field(default_factory=Clocks)
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Fields of each frame: trial, at, samples, mouth, heard_ms, drawn_ms on the page's clock."""
    stats: dict[str, Any] = field(default_factory=dict)
    """The newest counts and frame rate."""
    ready: bool = False
    """True if its user has switched the sound on."""


class FaceServer:
    """Serves the page to any number of browsers.

    Args:
        title: Name of the agent, for the page.
        mode: ``fixtures`` (the page plays the voices) or ``live`` (WebRTC does).
        offer: Answers a WebRTC offer; None: there is no live mode.
        plain: The page without the face.
    """

    def __init__(
        self,
        title: str,
        mode: str = "fixtures",
        offer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None,
        plain: bool = False,
    ) -> None:
        self._hello = json.dumps(
            {"type": "hello", "mode": mode, "title": title, "preroll_ms": PREROLL_MS}
            | ({"plain": True} if plain else {})
        )
        self._offer = offer
        self._pages: dict[web.WebSocketResponse, asyncio.Queue[str | bytes]] = {}
        self.reports: list[PageReport] = []
        """Every page that ever connected."""
        self.token = secrets.token_urlsafe(16)
        """Secret without which nobody may feed the face."""
        self.ready = asyncio.Event()
        """Set once a page is there whose sound is on."""
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.feed_port = 0
        """Address for feeds, without TLS, from this machine only."""

    def put(self, message: str | bytes) -> None:
        """Sends a message to every page."""
        for socket, queue in list(self._pages.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                del self._pages[socket]
                queue.get_nowait()
                queue.put_nowait("")  # its writer closes it

    async def start(self, host: str, port: int, secure: ssl.SSLContext | None = None) -> None:
        """Begins to serve; port 0 takes a free one.

        Raises:
            LabError: the address can't be used.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/face", self._face),
                web.get("/feed", self._feed),
                web.post("/offer", self._take_offer),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=secure)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise LabError(
                f"The face can't be served at {host}:{port} ({error.strerror}): "
                "choose another --port."
            ) from None
        self.port = self._runner.addresses[0][1]
        self.feed_port = self.port
        if secure is not None:  # an agent on this machine need not trust our certificate
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            self.feed_port = self._runner.addresses[-1][1]

    async def stop(self) -> None:
        """Stops; pages try to connect again."""
        for socket in list(self._pages):
            await socket.close()
        if self._runner:
            await self._runner.cleanup()

    async def _page(self, _: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return web.Response(text=page_html(), content_type="text/html", headers=headers)

    async def _face(self, request: web.Request) -> web.WebSocketResponse:
        _own_pages_only(request)
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        report = PageReport()
        self.reports.append(report)
        queue: asyncio.Queue[str | bytes] = asyncio.Queue(WAITING)
        queue.put_nowait(self._hello)
        self._pages[socket] = queue
        writer = asyncio.create_task(self._write(socket, queue))
        pinger = asyncio.create_task(_ping(queue))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._told(report, message.data)
        finally:
            self._pages.pop(socket, None)
            writer.cancel()
            pinger.cancel()
        return socket

    async def _write(
        self, socket: web.WebSocketResponse, queue: asyncio.Queue[str | bytes]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while message := await queue.get():
                if isinstance(message, str):
                    await socket.send_str(message)
                else:
                    await socket.send_bytes(message)
        await socket.close()

    def _told(self, report: PageReport, text: str) -> None:
        """Takes a page's message; malformed ones are ignored."""
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            table = json.loads(text)
            kind = table["type"]
            if kind == "pong":
                now_ns = time.monotonic_ns()
                report.clocks.pong(int(table["t_ns"]), float(table["page_ms"]), now_ns)
            elif kind == "rows":
                report.rows += [row for row in table["rows"] if isinstance(row, dict)]
            elif kind == "stats":
                report.stats = table
            elif kind == "ready":
                report.ready = True
                self.ready.set()

    async def _feed(self, request: web.Request) -> web.WebSocketResponse:
        if not secrets.compare_digest(request.query.get("token", ""), self.token):
            raise web.HTTPForbidden(text="a feed needs the server's token")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.put(message.data)
        return socket

    async def _take_offer(self, request: web.Request) -> web.Response:
        _own_pages_only(request)
        if self._offer is None:
            raise web.HTTPNotFound(text="nobody listens here: this face plays recorded users")
        try:
            answer = await self._offer(await request.json())
        except (LabError, ValueError, KeyError) as error:
            raise web.HTTPBadRequest(text=f"the call failed: {error}") from None
        return web.json_response(answer)


def _own_pages_only(request: web.Request) -> None:
    """Refuses another site's page, open in the same browser: it may neither listen nor speak."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise web.HTTPForbidden(text="only this server's own page may connect")


async def _ping(queue: asyncio.Queue[str | bytes]) -> None:
    while True:
        with contextlib.suppress(asyncio.QueueFull):
            # Stamped here, sent a moment later: its wait in the queue counts as round trip.
            queue.put_nowait(json.dumps({"type": "ping", "t_ns": time.monotonic_ns()}))
        await asyncio.sleep(PING_S)
