"""The line to a bot that is called by WebRTC, as Pipecat's SmallWebRTC takes calls.

Offer and answer go by one HTTP request, audio is Opus at 48 kHz, and RTVI's messages go by a data
channel. A process of its own speaks WebRTC (`bench.lines.rtc`); this codec speaks with that.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from socket import socket
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from bench.lines.line import (
    Audio,
    Bye,
    Chunk,
    Clear,
    Event,
    Fact,
    LineError,
    LineRow,
    QuietLine,
    Ready,
    Sent,
)
from bench.lines.options import WebRtcOptions
from bench.lines.rtc import process
from bench.lines.rtc.band import BandWatch
from bench.lines.rtc.jitter import DelayWatch, SilenceTrimmer
from bench.lines.rtc.messages import RATE_HZ, CallError, Decoder, Kind, Message
from bench.lines.rtc.order import Order
from bench.lines.rtvi import INTERRUPTED, RtviEvents
from bench.lines.websocket import shown
from pipelines.clock import samples_to_ns
from pipelines.wires import rtvi
from pipelines.wires.error import WireError
from pipelines.wires.messages import json_text

PATH = "/api/offer"
"""Path of the offer where the address has none: that of Pipecat's runner."""


class WebRtc(QuietLine):
    """One call.

    Args:
        url: ``http://host:7860/api/offer``, or the host alone.
        rtvi: See `bench.lines.options.WebRtcOptions`; so are the others.
        session: Whether ``/start`` is asked first.
        stun: STUN server.
        request_data: The body of the bot.
        headers: Headers of the HTTP requests.

    Raises:
        LineError: the URL is not one of HTTP, or aiortc is not installed.
    """

    reports_sent = True

    def __init__(
        self,
        url: str,
        rtvi: bool = True,
        session: bool = False,
        stun: str = "",
        request_data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if importlib.util.find_spec("aiortc") is None:
            raise LineError(
                "the line webrtc needs the package aiortc: install the extra duplex-lab[webrtc]"
            )
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LineError(
                f"{url!r} takes no offer: give an address like http://127.0.0.1:7860{PATH}"
            )
        if parts.path in ("", "/"):
            url = urlunsplit(parts._replace(path=PATH))
        self._order = Order(url, shown(url), session, stun, request_data or {}, headers or {})
        self._greets = rtvi
        self._decoder = Decoder()
        self._owed = bytearray()
        self._trimmer = SilenceTrimmer(RATE_HZ)
        self._watch = DelayWatch(RATE_HZ)
        self._band = BandWatch(RATE_HZ)
        self._rtvi = RtviEvents()
        self._generation = 0
        self._chunks = 0
        self._heard_ns = 0
        """Time at which the last audio came."""

    def hello(self) -> bytes:
        """The order of the call."""
        return Message(Kind.CALL, payload=self._order.encode()).encode()

    def feed(self, data: bytes) -> list[Event]:
        """See `bench.lines.line.Line.feed`."""
        return [event for message in self._decoder.feed(data) for event in self._events(message)]

    def owed(self) -> bytes:
        """The greeting, once the connection is up."""
        owed = bytes(self._owed)
        self._owed.clear()
        return owed

    def encode(self, chunk: Chunk) -> bytes:
        """A chunk for the microphone."""
        self._trimmer.begin(chunk.due_ns - samples_to_ns(len(chunk.pcm), RATE_HZ))
        return Message(Kind.MIC, chunk.k, chunk.due_ns, chunk.pcm.tobytes()).encode()

    def _events(self, message: Message) -> list[Event]:
        if message.kind is Kind.SOUND:
            return self._sound(message)
        if message.kind is Kind.SENT:
            return [Sent(message.a, message.b)]
        if message.kind is Kind.READY:
            if self._greets:
                greeting = json_text(rtvi.client_ready()).encode()
                self._owed += Message(Kind.TEXT, payload=greeting).encode()
            return [Ready(RATE_HZ)]
        if message.kind is Kind.TEXT:
            return self._text(message.payload)
        if message.kind is Kind.LOST:
            return [Fact("lost_by_agent", message.a)]
        if message.kind is Kind.FAILED:
            raise LineError(message.payload.decode())
        return [Bye()] if message.kind is Kind.OVER else []

    def _sound(self, message: Message) -> list[Event]:
        pcm = np.frombuffer(message.payload, np.int16)
        at_ns = self._heard_ns = message.b
        events: list[Event] = [Fact(*one) for one in self._watch.take(message.a, len(pcm), at_ns)]
        if (rate_hz := self._band.take(pcm)) is not None:
            events.append(Fact("track_rate", rate_hz))
        kept = self._trimmer.take(pcm, at_ns)
        if len(kept):
            self._chunks += 1
            name = f"g{self._generation}:{self._chunks - 1}"
            events.append(Audio(name, self._generation, kept, at_ns=at_ns))
        return events

    def _text(self, data: bytes) -> list[Event]:
        try:
            said = json.loads(data)
        except ValueError:
            return []  # a data channel may carry anything
        signal = said.get("message") if isinstance(said, dict) else None
        if isinstance(signal, dict) and signal.get("type") == "peerLeft":
            return [Bye()]
        try:
            message = rtvi.read(data)
        except WireError:
            return []
        if message is None:
            return []
        if message.type == INTERRUPTED:
            self._generation += 1
            self._trimmer.cut(self._heard_ns)
            return [Clear(self._generation)]
        return self._rtvi.of(message)


def helper() -> socket:
    """A connection to the process that speaks WebRTC, for one call.

    Raises:
        LineError: it did not start.
    """
    try:
        return process.connected()
    except CallError as error:
        raise LineError(str(error)) from None


ROW = LineRow(
    "webrtc",
    "a bot behind Pipecat's SmallWebRTC: offer and answer by HTTP, Opus, a data channel",
    connects="caller",
    make=WebRtc,
    options=WebRtcOptions,
    in_rate_hz=lambda options: RATE_HZ,
    packet_ms=20.0,
    look_ahead_ms=6.5,
    buffer_ms=80.0,
    aim_ms=(5.0, 20.0),
    helper=helper,
)
