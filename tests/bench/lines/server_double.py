"""The other end of a line's WebSocket, without a socket."""

from typing import Any

from websockets.server import ServerProtocol

from pipelines.wires.messages import json_object, json_text


class Server:
    """Takes the caller's bytes and gives its own."""

    def __init__(self):
        self.protocol = ServerProtocol()
        self.request: Any = None

    def take(self, data):
        """What the server understood of some bytes."""
        self.protocol.receive_data(data)
        return self.protocol.events_received()

    def take_json(self, data):
        """The JSON messages among them."""
        return [json_object(frame.data) for frame in self.take(data)]

    def give(self):
        return b"".join(self.protocol.data_to_send())

    def accept(self, line):
        """Accepts the caller; returns what its line makes of that."""
        (self.request,) = self.take(line.hello())
        self.protocol.send_response(self.protocol.accept(self.request))
        return line.feed(self.give())

    def say(self, line, message):
        """Sends one message, JSON or binary; returns the line's events."""
        if isinstance(message, bytes):
            self.protocol.send_binary(message)
        else:
            self.protocol.send_text(json_text(message).encode())
        return line.feed(self.give())
