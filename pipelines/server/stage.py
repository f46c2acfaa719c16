"""`Stage`: a face that is fed from outside, shown to any number of pages, and what they measured.

Messages reach the pages by `Stage.put`, or by a feed (`pipelines.face.feed`). A page that does not
keep up is let go: it connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from pipelines.face.feed import AGENT, HEAD, USER
from pipelines.guards.texts import parse_json, whole
from pipelines.server.offer import BodyError

PREROLL_MS = 160
"""Time for which the page holds audio back: two frames, so that a frame's mouth is known before it
is heard. It delays the page's sound, and no measurement of the agent; of no effect where WebRTC
plays the voice."""
WAITING = 2_000
"""Longest queue of messages for one page."""
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


class Outbox:
    """Messages that wait for one page."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(WAITING)

    def put(self, message: str | bytes) -> bool:
        """Takes a message; returns False, and ends, where too many wait."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)
            return False
        return True

    async def get(self) -> str | bytes | None:
        """The next message; None: the page did not keep up."""
        return await self._queue.get()


class Stage:
    """One face and its pages.

    Args:
        title: Name of the agent, for the page.
    """

    def __init__(self, title: str) -> None:
        hello = {"type": "hello", "mode": "fixtures", "title": title, "preroll_ms": PREROLL_MS}
        self._hello = json.dumps(hello)
        self._pages: dict[int, Outbox] = {}
        self.reports: list[PageReport] = []
        """Every page that ever connected."""
        self.token = secrets.token_urlsafe(16)
        """Secret without which nobody may feed the face."""
        self.ready = asyncio.Event()
        """Set once a page is there whose sound is on."""

    def put(self, message: str | bytes) -> None:
        """Sends a message to every page."""
        message = whole(message) if isinstance(message, str) else message
        for page, outbox in list(self._pages.items()):
            if not outbox.put(message):
                del self._pages[page]

    def enter(self) -> tuple[int, Outbox]:
        """A page comes; returns its number and its messages."""
        self.reports.append(PageReport())
        page, outbox = len(self.reports) - 1, Outbox()
        outbox.put(self._hello)
        self._pages[page] = outbox
        return page, outbox

    def leave(self, page: int) -> None:
        """A page goes; its report stays."""
        self._pages.pop(page, None)

    def told(self, page: int, text: str) -> None:
        """Takes a page's message; malformed ones are ignored."""
        report = self.reports[page]
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


def ping() -> str:
    """Asks a page for its clock. Stamped here, sent a moment later: its wait in the queue counts as
    round trip.
    """
    return json.dumps({"type": "ping", "t_ns": time.monotonic_ns()})


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
