"""A door: one protocol by which clients reach the service; and what every door needs.

A door's module ends in its `ROW`; `pipelines.server.doors.table` finds it there. How to write one
stands in docs/server.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.audio.levels import as_int16
from pipelines.audio.stream_resample import StreamResampler
from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.server.access.key import PageKey
from pipelines.server.access.tokens import AccessError, Claims, Verifier
from pipelines.server.config.tables import FaceOptions
from pipelines.server.doors.pace import Pace
from pipelines.server.service.service import RefusedError, VoiceService
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioOut, Closed, Event

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.websockets import WebSocket

RATES_HZ = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
"""Rates that a client may ask for."""
AHEAD_S = 5.0
"""Audio that a client may send ahead of the wall clock, s: more is no live voice."""
LAST_WORDS_S = 2.0
"""Longest time for a client to take the last events, s."""
BEARER = "bearer "
NORMAL, TOO_LARGE, POLICY, INTERNAL, RESTART, FULL, NO_TOKEN = (
    1000, 1009, 1008, 1011, 1012, 1013, 4401,
)  # fmt: skip
"""Close codes of a WebSocket; the last is ours, after HTTP's 401."""
RETRY_S = 5
"""After this time a client that was refused may try again, s."""
CODES = {"full": FULL, "draining": RESTART, "preset": POLICY}
"""Why a conversation is refused → close code."""


@dataclass(frozen=True, slots=True)
class People:
    """What the pages for people are given."""

    face: FaceOptions = field(default_factory=FaceOptions)
    """Of the page with a face."""
    title: str = ""
    """Name of the agent; empty: the names of the presets."""
    newest: bool = False
    """Whether a new call ends the one before, where one person at a time has the server."""
    key: PageKey | None = None
    """Without which nothing is served; None: none is needed."""


@dataclass(frozen=True, slots=True)
class House:
    """What a door is given."""

    service: VoiceService
    verifier: Verifier | None = None
    """Checks tokens; None: everybody on this machine may come in."""
    public_url: str = ""
    """The address by which others reach the server, where the door must name it to them."""
    twilio_token: str = field(default="", repr=False)
    """Auth token of a Twilio account, which signs its webhooks; empty: none is known."""
    people: People = field(default_factory=People)
    """Of the pages for people."""


@dataclass(frozen=True, slots=True)
class DoorRow:
    """One door of the table."""

    name: str
    """Name in logs and figures; its module is called so too."""
    path: str
    """Path of its address."""
    what: str
    """The protocol, in a few words."""
    add: Callable[[Starlette, House], None]
    """Adds its routes to the server."""
    needs: tuple[str, ...] = ()
    """Packages beyond the extra ``serve``; where one is missing the door is left out, and said."""


class DoorError(Exception):
    """A client broke the door's rules; one sentence for it, and the close code.

    Args:
        code: Close code of the WebSocket.
        sentence: For the client.
    """

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def token_of(header: str | None) -> str:
    """The token of an ``Authorization`` header; empty: there is none."""
    given = header or ""
    return given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""


def admit(house: House, token: str) -> Claims | None:
    """The claims of a client; None where no token is asked for.

    Raises:
        AccessError: its token is not good, or it has none.
    """
    if house.verifier is None:
        return None
    try:
        if not token:
            raise AccessError("a token is needed: Authorization: Bearer …")
        return house.verifier.check(token)
    except AccessError:
        house.service.figures.refused("token")
        raise


def subject(claims: Claims | None) -> str:
    """Whose token it is; empty: none was asked for, or it names nobody."""
    return claims.subject if claims is not None else ""


def refused(error: RefusedError) -> Response:
    """The answer of HTTP to a conversation that can't begin."""
    from starlette.responses import PlainTextResponse

    if error.why == "preset":
        return PlainTextResponse(f"{error}\n", 404)
    return PlainTextResponse(f"{error}\n", 503, {"Retry-After": str(RETRY_S)})


async def deny(socket: WebSocket, sentence: str, status: int = 401) -> None:
    """Refuses a WebSocket before it is opened, by a status and a sentence."""
    from starlette.responses import PlainTextResponse

    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    await socket.send_denial_response(PlainTextResponse(f"{sentence}\n", status, headers))


class Ears:
    """The user's audio on its way in: checked, brought to the session's rate, heard in its time.

    Args:
        session: Takes it.
        rate_hz: The client's rate.
        clock: The machine's clock.
    """

    def __init__(
        self, session: Session, rate_hz: int, clock: Callable[[], int] = monotonic_ns
    ) -> None:
        self._rate_hz = rate_hz
        self._clock = clock
        self._began_ns: int | None = None
        self._samples = 0
        to_hz = session.in_rate_hz
        self._resampler = StreamResampler(rate_hz, to_hz) if rate_hz != to_hz else None
        delay_ns = round(self._resampler.delay_s * NS_PER_S) if self._resampler else 0
        self._pace = Pace(session, delay_ns, clock)

    def hear(self, pcm: bytes) -> None:
        """Takes a piece, which has just arrived.

        Raises:
            DoorError: half a sample came, or more than a voice can speak.
        """
        if len(pcm) % 2:
            raise DoorError(POLICY, f"{len(pcm)} bytes are no whole number of int16 samples")
        now_ns = self._clock()
        self._began_ns = now_ns if self._began_ns is None else self._began_ns
        self._samples += len(pcm) // 2
        real_s = (now_ns - self._began_ns) / NS_PER_S
        if self._samples / self._rate_hz - real_s > AHEAD_S:
            raise DoorError(
                POLICY,
                f"the audio is {AHEAD_S:.0f} s ahead of the clock: it is due in real time, at "
                f"{self._rate_hz} samples a second; another rate must be named, ?rate=48000",
            )
        if self._resampler is not None:
            floats = np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768
            pcm = as_int16(self._resampler.feed(floats)).tobytes()
        self._pace.hear(pcm)


class Mouth:
    """The agent's audio on its way out: brought to the client's rate.

    Args:
        rate_hz: The client's rate.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler: StreamResampler | None = None

    def speak(self, chunk: AudioOut) -> bytes:
        """(n,) int16 at the client's rate."""
        if chunk.rate_hz == self._rate_hz:
            return chunk.pcm
        if self._resampler is None or self._resampler.from_hz != chunk.rate_hz:
            self._resampler = StreamResampler(chunk.rate_hz, self._rate_hz)
        floats = np.frombuffer(chunk.pcm, "<i2").astype(np.float32) / 32_768
        return as_int16(self._resampler.feed(floats)).tobytes()

    def rest(self) -> bytes:
        """What the resampler still holds back, when the agent has fallen silent."""
        if self._resampler is None:
            return b""
        held = round(self._resampler.delay_s * self._resampler.from_hz)
        self_rest, self._resampler = self._resampler, None
        return as_int16(self_rest.feed(np.zeros(held, np.float32))).tobytes()


async def end(closing: Awaitable[None]) -> None:
    """Says the last words to a client and closes, for as long as it may take them."""
    from starlette.websockets import WebSocketDisconnect

    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # it may have gone
        await asyncio.wait_for(closing, LAST_WORDS_S)


async def relay(
    house: House,
    session: Session,
    say: Callable[[Event], Awaitable[None]],
    preset: str,
    door: str,
) -> None:
    """Gives a session's events to a client, in their order, up to `Closed`, and counts them.

    Args:
        house: The service's.
        session: The conversation.
        say: Sends what an event means in the door's protocol.
        preset: The preset.
        door: The door's name.
    """
    figures = house.service.figures
    async for event in session.events():
        await say(event)
        if isinstance(event, AudioOut):
            figures.frame((monotonic_ns() - event.t_ns) / NS_PER_S, session.waiting, preset, door)
        else:
            figures.take(event, preset, door)


async def converse(
    session: Session, listening: Awaitable[None], relaying: Awaitable[None]
) -> DoorError | None:
    """Runs both directions of a conversation until one of them, or it, ends; then ends the rest.

    A client that does not read stops the sending; the session ends by that, once too much waits.

    Args:
        session: The conversation.
        listening: Takes the client's messages; returns when the client is gone or says good-bye.
        relaying: From `relay`; returns after `Closed`.

    Returns:
        The rule that the client broke, if that ended it: the door tells it and closes.
    """
    hear = asyncio.ensure_future(listening)
    speak = asyncio.ensure_future(relaying)
    over = asyncio.ensure_future(session.over.wait())
    broken: DoorError | None = None
    try:
        await asyncio.wait({hear, speak, over}, return_when=asyncio.FIRST_COMPLETED)
        if hear.done():
            try:
                hear.result()
            except DoorError as error:
                broken = error
        if not speak.done():
            await session.stop(str(broken) if broken else "")
            await asyncio.wait({speak}, timeout=LAST_WORDS_S)
        if not speak.done() and not hear.done():
            broken = DoorError(POLICY, "the client does not take what is sent to it")
        return broken
    finally:
        for task in (hear, speak, over):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


__all__ = [
    "AccessError",
    "Closed",
    "DoorError",
    "DoorRow",
    "Ears",
    "House",
    "Mouth",
    "admit",
    "converse",
    "deny",
    "end",
    "refused",
    "relay",
    "subject",
    "token_of",
]
