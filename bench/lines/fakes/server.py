"""The other end of a line's WebSocket without a socket, for tests of the codecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench.lines.websocket_line import WebSocketLine
from pipelines.wires.messages import json_object, json_text


class Server:
    """Takes the caller's bytes and gives its own."""

    def __init__(self) -> None:
        self.protocol = ServerProtocol()
        self.request: Request

    def take(self, data: bytes) -> list[Any]:
        """What the server understood of some bytes: a request, or frames."""
        self.protocol.receive_data(data)
        return self.protocol.events_received()

    def take_json(self, data: bytes) -> list[dict[str, Any]]:
        """The JSON messages among them."""
        return [json_object(frame.data) for frame in self.take(data)]

    def give(self) -> bytes:
        """The bytes that it sends."""
        return b"".join(self.protocol.data_to_send())

    def accept(self, line: WebSocketLine) -> list[Any]:
        """Accepts the caller; returns what its line makes of that."""
        (self.request,) = self.take(line.hello())
        self.protocol.send_response(self.protocol.accept(self.request))
        return line.feed(self.give())

    def say(self, line: WebSocketLine, message: bytes | Mapping[str, Any]) -> list[Any]:
        """Sends one message, JSON or binary; returns the line's events, each of its own class."""
        if isinstance(message, bytes):
            self.protocol.send_binary(message)
        else:
            self.protocol.send_text(json_text(message).encode())
        return line.feed(self.give())
