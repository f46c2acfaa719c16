"""The open connection to an agent: a socket, and the line that is spoken on it.

The caller never waits for the socket to take its data, so that a stalled agent is measured and not
given up.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import Protocol
from urllib.parse import urlsplit

from bench.lines.line import Chunk, Event, Line, LineChoice, LineError
from bench.lines.websocket import shown
from pipelines.clock import NS_PER_S, Clock, monotonic_ns

CONNECT_TIMEOUT_S = 30.0
"""Longest wait for an agent to connect, or to take the connection, s."""
PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
"""TCP port of an address without one, by its scheme."""
ENCRYPTED = ("wss", "https")
"""Schemes over TLS."""
WAITS = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Errors by which a non-blocking socket says that it can do nothing now."""
READ_BYTES = 1 << 16
SEND_BUFFER_BYTES = 1 << 16
"""Buffer that the system keeps for what a dialled agent has not read: a second of speech and more,
so that an agent that stops reading is noticed within the call."""
MAX_UNSENT_BYTES = 64 << 20
"""Bytes that wait for an agent which does not read, at most."""
UNREAD_S = 2.0
"""Time for which an agent has read nothing that is worth a sentence, s."""


class AgentGoneError(Exception):
    """The agent's end is closed, or was never there; one sentence."""


class ClosedError(AgentGoneError):
    """The agent has closed its end, or broke it."""


class Connection(Protocol):
    """The connection to the agent, as a conversation needs it."""

    line: Line
    """The codec of this conversation."""
    up_delay_ns: int
    """Delay that is put before the way to the agent, ns: what it is told of times to come is later
    by it."""

    def send(self, data: bytes) -> None:
        """Sends bytes without waiting.

        Raises:
            AgentGoneError: the connection broke.
        """

    def speak(self, chunk: Chunk) -> None:
        """Sends a chunk of the user's audio without waiting.

        Raises:
            AgentGoneError: the connection broke.
        """

    def listen(self, until_ns: int) -> tuple[list[Event], int]:
        """Waits for the agent until a deadline at most.

        Returns:
            The events that have arrived (perhaps none), and the time.

        Raises:
            AgentGoneError: the agent closed the connection, or it broke.
            LineError: the bytes are not of the line's protocol.
        """

    def hang_up(self) -> None:
        """Says good-bye in the line's own way, if the agent still takes it."""

    def remark(self) -> str:
        """What was wrong with the agent's end and broke nothing, one sentence; empty: nothing."""


class Direct:
    """A connection with nothing before it."""

    line: Line
    up_delay_ns = 0

    def send(self, data: bytes) -> None:
        """See `Connection.send`."""
        raise NotImplementedError

    def speak(self, chunk: Chunk) -> None:
        """See `Connection.speak`."""
        self.send(self.line.encode(chunk))

    def remark(self) -> str:
        """See `Connection.remark`."""
        return self.line.remark()


class SocketConnection(Direct):
    """A connected stream socket, read and written on one thread.

    Args:
        connected: The socket; it becomes non-blocking.
        line: The codec of this conversation.
        clock: The machine's monotonic clock, ns.
    """

    def __init__(self, connected: socket.socket, line: Line, clock: Clock = monotonic_ns) -> None:
        connected.setblocking(False)
        self.line = line
        self._socket = connected
        self._clock = clock
        self._unsent = bytearray()
        """Bytes that the socket has not taken yet."""
        self._unread_since_ns: int | None = None
        """Time since which some wait; None: none do."""

    def send(self, data: bytes) -> None:
        """See `Connection.send`."""
        self._unsent += data
        self.flush()
        if len(self._unsent) > MAX_UNSENT_BYTES:
            raise AgentGoneError(
                f"the agent does not read: {len(self._unsent) >> 20} MB wait to be sent to it"
            )

    def remark(self) -> str:
        """See `Connection.remark`."""
        since_ns = self._unread_since_ns
        unread_s = 0.0 if since_ns is None else (self._clock() - since_ns) / NS_PER_S
        if unread_s < UNREAD_S:
            return super().remark()
        return (
            f"the agent has read nothing for {unread_s:.0f} s, so that it did not hear all of the "
            "user's audio"
        )

    def listen(self, until_ns: int) -> tuple[list[Event], int]:
        """See `Connection.listen`."""
        blocked = [self._socket] if self._unsent else []
        wait_s = max(0, until_ns - self._clock()) / NS_PER_S
        readable, writable, _ = select.select([self._socket], blocked, [], wait_s)
        if writable:
            self.flush()
        return self.arrived() if readable else ([], self._clock())

    @property
    def waits_to_send(self) -> bool:
        """Whether bytes wait until the socket takes more: then `flush` is due once it does."""
        return bool(self._unsent)

    def arrived(self) -> tuple[list[Event], int]:
        """Reads what has arrived, without waiting; see `Connection.listen`."""
        data, arrival_ns = self._receive()
        events = self.line.feed(data) if data else []
        if owed := self.line.owed():
            self.send(owed)
        return events, arrival_ns

    def hang_up(self) -> None:
        """See `Connection.hang_up`."""
        with contextlib.suppress(OSError, LineError):
            self._socket.settimeout(1.0)
            self._socket.sendall(bytes(self._unsent) + self.line.bye())

    def _receive(self) -> tuple[bytes, int]:
        try:
            data = self._socket.recv(READ_BYTES)
            # What TLS has decrypted already is not seen by select.
            while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                data += self._socket.recv(READ_BYTES)
        except WAITS:
            return b"", self._clock()
        except OSError as error:
            raise ClosedError(f"the agent's connection broke: {error}") from None
        arrival_ns = self._clock()
        if not data:
            raise ClosedError("the agent closed its connection in mid-trial")
        return data, arrival_ns

    def flush(self) -> None:
        """Sends what waits, as much as the socket takes.

        Raises:
            AgentGoneError: the connection broke.
        """
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except WAITS:
            if self._unread_since_ns is None:
                self._unread_since_ns = self._clock()
            return
        except OSError as error:
            raise ClosedError(f"the agent's connection broke: {error}") from None
        self._unread_since_ns = None


def accepted(listener: socket.socket) -> socket.socket:
    """The connection of an agent that the lab has started.

    Raises:
        AgentGoneError: none came in time.
    """
    listener.settimeout(CONNECT_TIMEOUT_S)
    try:
        connected, _ = listener.accept()
    except TimeoutError:
        sentence = f"the agent did not connect within {CONNECT_TIMEOUT_S:.0f} s"
        raise AgentGoneError(sentence) from None
    return connected


def dialled(choice: LineChoice) -> socket.socket:
    """A connection to the agent's address.

    Raises:
        AgentGoneError: the connection is refused.
        LineError: the address names no host, or a scheme that can't be dialled.
    """
    host, port, is_encrypted = address_of(choice.url)
    name = shown(choice.url)
    try:
        connected = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
    except ConnectionRefusedError:
        raise AgentGoneError(
            f"no agent answers at {name}: the connection is refused; does it run, and is "
            f"{port} its port?"
        ) from None
    except TimeoutError:
        raise AgentGoneError(f"no agent answers at {name} within {CONNECT_TIMEOUT_S:g} s") from None
    except OSError as error:
        raise AgentGoneError(f"no agent answers at {name}: {error}") from None
    # A chunk of 20 ms must not wait for the one before to be acknowledged.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return _encrypted(connected, host, name) if is_encrypted else connected


def address_of(url: str) -> tuple[str, int, bool]:
    """(host, port, whether it is over TLS) of an address that can be dialled.

    Raises:
        LineError: it names no host, or a scheme that can't be dialled.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise LineError(f"{url!r} is not an address: {error}") from None
    if not parts.hostname or parts.scheme not in PORTS:
        raise LineError(f"{url!r} can't be dialled: give an address like ws://127.0.0.1:8765/path")
    return parts.hostname, port, parts.scheme in ENCRYPTED


def _encrypted(connected: socket.socket, host: str, name: str) -> ssl.SSLSocket:
    """The connection over TLS, the server's certificate checked.

    Raises:
        AgentGoneError: it does not speak TLS, or its certificate is not to be trusted.
    """
    context = ssl.create_default_context()
    try:
        return context.wrap_socket(connected, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        connected.close()
        mend = CERTIFICATE_MENDS.get(error.verify_code, CERTIFICATE_MEND)
        raise AgentGoneError(
            f"the certificate of {name} is not trusted ({error.verify_message}): {mend}"
        ) from None
    except (ssl.SSLError, OSError) as error:
        connected.close()
        raise AgentGoneError(
            f"{name} does not speak TLS ({error}); without TLS its address begins with ws://, "
            "though Pipecat's /start writes wss:// for every host but localhost"
        ) from None


CERTIFICATE_MEND = "name the file of its authority in SSL_CERT_FILE"
CERTIFICATE_MENDS = {
    9: "its day has not come: look at the clocks, here and there",
    10: "it is to be renewed on the server",
    62: "dial the server by a name that its certificate holds",
    64: "dial the server by a name that its certificate holds",
}
"""OpenSSL's code of a fault of a certificate → what mends it."""


def listen(path: str) -> socket.socket:
    """Opens the caller's end of a local socket at ``path``."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    return listener
