"""A WebSocket from the caller's side, without a socket: bytes in, whole messages out.

Every line that rides on a WebSocket holds one `Channel`; what the messages mean is the line's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.lines.line import LineError
from pipelines.wires.messages import json_text

MAX_MESSAGE_BYTES = 16 << 20
"""Longest message that is accepted: 87 s of 24 kHz audio in base64."""
_DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)


@dataclass(frozen=True, slots=True)
class Opened:
    """The handshake is done."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer closes the connection."""

    code: int
    reason: str


Arrival = Opened | Closed | str | bytes
"""What the channel gives: text messages are ``str``, binary ones ``bytes``."""
Message = str | bytes | Mapping[str, Any]
"""What it takes: a text, a binary message, or a JSON object that is sent as text."""


class Channel:
    """One WebSocket.

    Args:
        url: ``ws://host:port/path`` of the peer, or ``wss://``.
        headers: Headers of the HTTP request that opens it.
        subprotocols: Subprotocols that are offered.

    Raises:
        LineError: the URL is not one of a WebSocket.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, subprotocols: tuple[str, ...] = ()
    ) -> None:
        try:
            uri = parse_uri(url)
        except (InvalidURI, ValueError) as error:
            raise LineError(
                f"{shown(url)} is not the address of a WebSocket: {_mend(url, error)}"
            ) from None
        self.name = shown(url)
        """The address for errors: without user, password and query, which may hold keys."""
        self._headers = dict(headers or {})
        self._protocol = ClientProtocol(
            uri,
            max_size=MAX_MESSAGE_BYTES,
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]
        )
        self._parts: list[bytes] = []
        """Frames of an incomplete message."""
        self._is_text = False

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN

    def hello(self) -> bytes:
        """The HTTP request that opens the WebSocket."""
        request = self._protocol.connect()
        request.headers.update(self._headers)
        self._protocol.send_request(request)
        return self.owed()

    def feed(self, data: bytes) -> list[Arrival]:
        """Takes bytes, however they were split on their way; returns what is now whole.

        Raises:
            LineError: the peer refuses, or breaks the protocol.
        """
        self._protocol.receive_data(data)
        arrived = [self._arrival(event) for event in self._protocol.events_received()]
        if error := self._protocol.handshake_exc:
            raise LineError(f"{self.name} refuses the WebSocket: {_why(error)}")
        if error := self._protocol.parser_exc:
            raise LineError(f"{self.name} breaks the WebSocket protocol: {error}")
        return [one for one in arrived if one is not None]

    def owed(self) -> bytes:
        """Pongs, the answer to a close, and what was queued."""
        return b"".join(self._protocol.data_to_send())

    def send(self, message: Message) -> bytes:
        """The bytes of a message; none once the channel is closed."""
        self.queue(message)
        return self.owed()

    def queue(self, message: Message) -> None:
        """Puts a message among what is owed."""
        if not self.is_open:
            return
        if isinstance(message, bytes):
            self._protocol.send_binary(message)
        else:
            text = message if isinstance(message, str) else json_text(message)
            self._protocol.send_text(text.encode())

    def close(self) -> bytes:
        """A normal close."""
        if self.is_open:
            self._protocol.send_close(1000)
        return self.owed()

    def _arrival(self, event: object) -> Arrival | None:
        if isinstance(event, Response):
            return Opened() if self._protocol.handshake_exc is None else None
        if not isinstance(event, Frame):
            return None
        if event.opcode is Opcode.CLOSE:
            close = Close.parse(event.data)
            return Closed(close.code, close.reason)
        return self._message(event) if event.opcode in _DATA else None

    def _message(self, frame: Frame) -> str | bytes | None:
        """A whole message; None: it is incomplete."""
        if frame.opcode is not Opcode.CONT:
            self._parts, self._is_text = [], frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        payload = b"".join(self._parts)
        if not self._is_text:
            return payload
        try:
            return payload.decode("utf-8")
        except UnicodeDecodeError:
            raise LineError(f"{self.name} sent a text message that is not in UTF-8") from None


def shown(url: str) -> str:
    """An address for people: without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else repr(url)


def _mend(url: str, error: Exception) -> str:
    """What to write instead of an address that is none of a WebSocket's."""
    scheme, is_there, rest = url.partition("://")
    other = {"http": "ws", "https": "wss"}.get(scheme.lower())
    if other and is_there:
        return f"write {shown(f'{other}://{rest}')}"
    if not is_there:
        return f"it has no scheme; write {shown(f'ws://{url}')}"
    return str(error)


def _why(error: Exception) -> str:
    """Why the handshake failed, in a few words."""
    if not isinstance(error, InvalidStatus):
        if isinstance(error, InvalidHandshake):
            return f"{error} (over TLS its address begins with wss://)"
        return f"{type(error).__name__}: {error}"
    hint = HINTS.get(error.response.status_code, "")
    return f"{error}{hint and f': {hint}'}"


HINTS = {
    401: "a key or token is missing or wrong (see --header-from-env)",
    403: "a key or token is missing or wrong (see --header-from-env)",
    404: "the path may be wrong",
    200: "there is a web page at this path, and no WebSocket",
    426: "there is no WebSocket at this path",
    503: "the server is up and not ready, or full",
}
"""HTTP status of a refusal → what may be wrong."""
