"""Peers on this machine that behave badly, each in one way; they harm nobody.

`BAD` has a row for each: docs/lines.md says what is said of it.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench.lines.fakes import pcm_websocket
from bench.lines.fakes.websocket import HOST

LARGE_BYTES = 100 << 20
"""Length of the message that is too large, bytes."""
PIECE = bytes(1 << 16)
PATIENCE_S = 120.0
"""Longest time that a peer stays, s."""
SECOND = bytes(2 * pcm_websocket.RATE_HZ)
"""A second of silence."""

Answer = Callable[[socket.socket, threading.Event], None]
Serving = Callable[[], Any]
"""Makes a context manager: within, the peer is there; it yields its address."""


@contextmanager
def refuses() -> Iterator[str]:
    """Nobody listens."""
    with socket.create_server((HOST, 0)) as once:
        port = once.getsockname()[1]
    yield f"ws://{HOST}:{port}/talk"


@contextmanager
def answering(answer: Answer, scheme: str = "ws", receive_bytes: int = 1 << 16) -> Iterator[str]:
    """Takes connections, and does one thing with each.

    Args:
        answer: What it does with a connection, until an event at most; it is closed afterwards.
        scheme: Of the address that is told.
        receive_bytes: Buffer that the system keeps for what it has not read.
    """
    with socket.create_server((HOST, 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        ends = threading.Event()

        def serve() -> None:
            while not ends.is_set():
                with suppress(OSError), listener.accept()[0] as taken:
                    taken.settimeout(5.0)
                    if not ends.is_set():
                        answer(taken, ends)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"{scheme}://{HOST}:{listener.getsockname()[1]}/talk"
        finally:
            ends.set()
            with suppress(OSError), socket.create_connection(listener.getsockname(), 1.0):
                pass
            thread.join()


def _closes(taken: socket.socket, _: threading.Event) -> None:
    taken.recv(64)


def _is_silent(taken: socket.socket, _: threading.Event) -> None:
    while taken.recv(1 << 16):
        pass


def _says(answer: bytes) -> Answer:
    def say(taken: socket.socket, _: threading.Event) -> None:
        taken.recv(1 << 16)
        taken.sendall(answer)

    return say


def _http(status: str, body: str = "no") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


def encrypted(context: ssl.SSLContext) -> Serving:
    """A peer over TLS, with a certificate that is not to be trusted.

    Args:
        context: The server's.
    """

    def answer(taken: socket.socket, _: threading.Event) -> None:
        with suppress(ssl.SSLError, OSError):
            context.wrap_socket(taken, server_side=True)

    return lambda: answering(answer, "wss")


def _playing(play: Callable[[Any], None]) -> Serving:
    """A server of `pcm_websocket` that plays a part once a call is open."""
    return lambda: pcm_websocket.serving(play)


def _hears(peer: Any) -> None:
    """Listens until the caller hangs up."""
    while peer.hear() is not None:
        pass


def _half_a_sample(peer: Any) -> None:
    peer.connection.send(b"\0\0\0")
    _hears(peer)


def _text(peer: Any) -> None:
    for _ in range(3):
        peer.connection.send('{"type": "audio", "data": "AAAA"}')
    _hears(peer)


def _large(peer: Any) -> None:
    """The head of a message of `LARGE_BYTES`, then as much of it as is taken."""
    wire = peer.connection.socket
    with suppress(OSError):
        wire.sendall(struct.pack("!BBQ", 0x82, 127, LARGE_BYTES))
        for _ in range(LARGE_BYTES // len(PIECE)):
            wire.sendall(PIECE)


def _never_reads(taken: socket.socket, ends: threading.Event) -> None:
    """Opens the WebSocket, and takes nothing off its socket from then on."""
    protocol = ServerProtocol()
    protocol.receive_data(taken.recv(1 << 16))
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    taken.sendall(b"".join(protocol.data_to_send()))
    ends.wait(PATIENCE_S)


def _floods_audio(peer: Any) -> None:
    with suppress(ConnectionClosed):
        for _ in range(3600):
            peer.connection.send(SECOND)


def _floods_messages(peer: Any) -> None:
    with suppress(ConnectionClosed):
        for _ in range(1_000_000):
            peer.connection.send(b"\0\0")


def _gives_up(peer: Any) -> None:
    peer.wait_for_chunk(3)
    peer.connection.close(1011, "out of memory")


BAD: dict[str, Serving] = {
    "refuses": refuses,
    "closes in the handshake": lambda: answering(_closes),
    "never answers": lambda: answering(_is_silent),
    "is a web page": lambda: answering(_says(_http("200 OK", "<p>hello"))),
    "401": lambda: answering(_says(_http("401 Unauthorized"))),
    "404": lambda: answering(_says(_http("404 Not Found"))),
    "speaks something else": lambda: answering(_says(b"SSH-2.0-OpenSSH_9.6\r\n")),
    "has no TLS": lambda: answering(_says(_http("400 Bad Request")), "wss"),
    "half a sample": _playing(_half_a_sample),
    "text where audio is due": _playing(_text),
    "100 MB message": _playing(_large),
    "slow reader": lambda: answering(_never_reads, receive_bytes=2048),
    "silence for ever": _playing(_hears),
    "floods by audio": _playing(_floods_audio),
    "floods by messages": _playing(_floods_messages),
    "gives up in mid-call": _playing(_gives_up),
}
"""What it does → how it is served."""
