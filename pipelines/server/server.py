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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from pipelines.errors import LabError
from pipelines.face.feed import AGENT, HEAD, USER
from pipelines.guards.texts import parse_json, whole
from pipelines.server.guard import Guard, same
from pipelines.server.offer import LARGEST_OFFER, BodyError, read_offer
from pipelines.server.page import POLICY, page_html

PREROLL_MS = 160
"""Time for which the page holds audio back: two frames, so that a frame's mouth is known before it
is heard. It delays the page's sound, and no measurement of the agent."""
WAITING = 2000
"""Longest queue of messages for one page."""
PING_S = 0.5
LOOPBACK = ("127.0.0.1", "localhost")
"""Names of this machine for itself."""
LARGEST_FED = 2**20
"""Bytes of one message of a feed; 80 ms of audio have 4,000."""
FED_RATES_HZ = range(8_000, 48_001)


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
        self._feed_runner: web.AppRunner | None = None
        self.port = 0
        self.feed_port = 0
        """Address for feeds, without TLS, from this machine only."""
        self.key = ""
        """What the page's address must hold; empty: this machine alone can call it."""

    def put(self, message: str | bytes) -> None:
        """Sends a message to every page."""
        message = whole(message) if isinstance(message, str) else message
        for socket, queue in list(self._pages.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                del self._pages[socket]
                queue.get_nowait()
                queue.put_nowait("")  # its writer closes it

    async def start(
        self,
        host: str,
        port: int,
        secure: ssl.SSLContext | None = None,
        names: Sequence[str] = LOOPBACK,
    ) -> None:
        """Begins to serve; port 0 takes a free one.

        Args:
            host: The address to listen at.
            port: Its port.
            secure: For https, which others can call: nothing is served without `key` then.
            names: By which the page may be called.

        Raises:
            LabError: the address can't be used.
        """
        scheme = "https" if secure else "http"
        guard = Guard(scheme, tuple(names), lambda: self.port, needs_key=secure is not None)
        self.key = guard.key if guard.needs_key else ""
        routes = [
            web.get("/", self._page),
            web.get("/face", self._face),
            web.post("/offer", self._take_offer),
        ]
        feed = web.get("/feed", self._feed)
        self._runner = _runner(guard, [*routes, *([] if secure else [feed])])
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
            self._feed_runner = _runner(Guard("http", LOOPBACK, lambda: self.feed_port), [feed])
            await self._feed_runner.setup()
            await web.TCPSite(self._feed_runner, "127.0.0.1", 0).start()
            self.feed_port = self._feed_runner.addresses[0][1]

    async def stop(self) -> None:
        """Stops; pages try to connect again."""
        for socket in list(self._pages):
            await socket.close()
        for runner in (self._runner, self._feed_runner):
            if runner:
                await runner.cleanup()

    async def _page(self, _: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return web.Response(text=page_html(), content_type="text/html", headers=headers)

    async def _face(self, request: web.Request) -> web.WebSocketResponse:
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
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, OverflowError):
            table = parse_json(text)
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
        if not same(request.query.get("token", ""), self.token):
            raise web.HTTPForbidden(text="a feed needs the server's token")
        socket = web.WebSocketResponse(max_msg_size=LARGEST_FED)
        await socket.prepare(request)
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            try:
                check_fed(message.data)
            except BodyError as error:
                reason = str(error).encode()[:123]  # as much as a close frame holds
                await socket.close(code=WSCloseCode.INVALID_TEXT, message=reason)
                break
            self.put(message.data)
        return socket

    async def _take_offer(self, request: web.Request) -> web.Response:
        if self._offer is None:
            raise web.HTTPNotFound(text="nobody listens here: this face plays recorded users")
        try:
            offer = read_offer(await request.read())
        except BodyError as error:
            raise web.HTTPBadRequest(text=f"this is no offer of a call: {error}") from None
        try:
            answer = await self._offer(offer)
        except LabError as error:
            raise web.HTTPBadRequest(text=f"the call failed: {error}") from None
        except Exception as error:  # whatever WebRTC raises of an offer that it can't use
            said = " ".join(str(error).split())[:200]
            told = f"the call failed: {type(error).__name__}{said and f': {said}'}"
            raise web.HTTPBadRequest(text=whole(told)) from None
        return web.json_response(answer)


def _runner(guard: Guard, routes: Sequence[web.RouteDef]) -> web.AppRunner:
    """A server of some routes, behind a guard."""
    app = web.Application(middlewares=[guard.check], client_max_size=LARGEST_OFFER)
    app.add_routes(routes)
    return web.AppRunner(app, access_log=None, shutdown_timeout=1.0)


def check_fed(data: str | bytes) -> None:
    """Checks one message of a feed: a JSON object, or samples behind their `HEAD`.

    Raises:
        BodyError: it is neither.
    """
    if isinstance(data, str):
        try:
            table = parse_json(data)
        except ValueError as error:
            raise BodyError(f"a text is no JSON ({error})") from None
        if not isinstance(table, dict):
            raise BodyError("a text is no JSON object")
        return
    if len(data) < HEAD.size or len(data) % 2:
        raise BodyError(f"audio of {len(data)} bytes is no head of {HEAD.size} and 16-bit samples")
    kind, rate_hz, _, _ = HEAD.unpack_from(data)
    if kind not in (AGENT, USER):
        raise BodyError(f"audio of kind {kind}: it is {AGENT} (agent) or {USER} (user)")
    if rate_hz not in FED_RATES_HZ:
        raise BodyError(f"audio at {rate_hz} Hz: {FED_RATES_HZ[0]} to {FED_RATES_HZ[-1]} are taken")


async def _ping(queue: asyncio.Queue[str | bytes]) -> None:
    while True:
        with contextlib.suppress(asyncio.QueueFull):
            # Stamped here, sent a moment later: its wait in the queue counts as round trip.
            queue.put_nowait(json.dumps({"type": "ping", "t_ns": time.monotonic_ns()}))
        await asyncio.sleep(PING_S)
