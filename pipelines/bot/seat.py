"""The place of a bot during a conversation with our caller: Pipecat's hooks and its transport meet
in it.

It belongs to the tasks that the bot has started: a server plays other conversations beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pipelines.bot.load import BotError

TRANSPORTS = ("webrtc", "websocket", "daily", "livekit", "moq", "eval", "vonage")
"""Keys of a bot's transport_params, in order of preference; then any other key (a telephone
provider's, whose audio a bot expects at 8 kHz)."""


@dataclass(slots=True)
class Seat:
    """One conversation of a bot."""

    bot: str
    """The bot's file, for messages."""
    wanted: str
    """The transport whose parameters the preset asks for; empty: the first of `TRANSPORTS`."""
    open: Callable[[Any], Any]
    """TransportParams → our transport."""
    watch: Callable[[Any], None]
    """Attaches our observers to a worker."""
    in_rate_hz: int
    """Rate at which the caller speaks."""
    stop: Callable[[], None]
    """Ends the conversation."""
    given: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the bot has received its transport."""
    key: str = ""
    """The transport whose parameters were used."""
    transport: Any = None
    """The transport that the bot received."""
    runners: list[Any] = field(default_factory=list)
    """The bot's runners."""
    workers: list[Any] = field(default_factory=list)
    """The bot's workers."""
    fault: str | None = None
    """Why the conversation is not possible."""

    def give(self, transport_params: Mapping[str, Callable[[], Any]]) -> Any:
        """The transport that ``create_transport`` returns to the bot.

        Raises:
            BotError: it names no transport, or not the one that the preset wants.
        """
        known = list(transport_params)
        if not known:
            raise BotError(f"{self.bot} names no transport: its transport_params are empty.")
        if self.wanted and self.wanted not in known:
            raise BotError(
                f"{self.bot} has no transport {self.wanted!r}: it has {', '.join(known)}; "
                "change transport under [bot]."
            )
        if self.transport is not None:
            raise BotError(f"{self.bot} asks for a second transport: there is one caller.")
        order = [self.wanted] if self.wanted else [*TRANSPORTS, *known]
        self.key = next(key for key in order if key in transport_params)
        self.transport = self.open(transport_params[self.key]())
        self.given.set()
        return self.transport

    def attach(self, worker: Any) -> None:
        """Registers a worker that is about to start, and turns its metrics on."""
        worker.params.enable_metrics = True
        worker.params.enable_usage_metrics = True
        self.workers.append(worker)
        self.watch(worker)
        asked = self.transport.params.audio_in_sample_rate if self.transport else None
        rate_hz = asked or worker.params.audio_in_sample_rate
        if rate_hz != self.in_rate_hz:
            self.fault = (
                f"{self.bot} listens at {rate_hz} Hz and the caller speaks at {self.in_rate_hz} "
                f"Hz: put in_rate_hz = {rate_hz} under [audio] of the preset."
            )
            self.stop()


_seat: ContextVar[Seat | None] = ContextVar("seat", default=None)


def current() -> Seat | None:
    """The seat of the bot whose task runs; None: it is no bot's."""
    return _seat.get()


@contextlib.contextmanager
def taken(seat: Seat) -> Iterator[Seat]:
    """Makes a seat that of this task, and of those that it starts."""
    before = _seat.set(seat)
    try:
        yield seat
    finally:
        _seat.reset(before)
