"""The websocket of a Moshi server: messages out, frames and text in, every failure one sentence.

A thread of its own receives, so that arriving messages are decoded at once and their time of
arrival does not depend on when a step asks for them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from pipelines.duplex.session.model import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from pipelines.process.engine import EngineError
from pipelines.wires.moshi import AUDIO, COLOURED_TEXT, ERROR, HANDSHAKE, TEXT

UNKNOWN_LIMIT = 10
"""Number of messages of unknown kinds without audio between them that ends the session. The
protocol demands that each be skipped; this many show another protocol."""
CLOSE_TIMEOUT_S = 1.0


class ServerLink:
    """One connection."""

    def __init__(self, url: str, *, connect_timeout_s: float, handshake_timeout_s: float) -> None:
        """Describes the connection; see `pipelines.duplex.moshi.server.model.MoshiServer`."""
        self._url = url
        self._connect_timeout_s = connect_timeout_s
        self._handshake_timeout_s = handshake_timeout_s
        parts = urlsplit(url)
        self.name = f"the server {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        """Name for errors: without a password or the query, which may hold keys."""
        self._inside = contextlib.ExitStack()
        self._socket: Any = None
        self._reader: Any = None
        self._thread = threading.Thread(target=self._receive, name="moshi-server", daemon=True)
        self._changed = threading.Condition()  # guards all fields below
        self._frames: deque[Pcm] = deque()
        self._rest = np.zeros(0, np.float32)
        self._text: list[str] = []
        self._shaken = False
        self._heard = 0
        self._heard_s = 0.0
        self._unknown = 0
        self._error: str | None = None

    def open(self) -> None:
        """Connects and waits for the handshake.

        Raises:
            EngineError: there is no server, it refuses, or it stays silent.
        """
        import sphn
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import connect

        self._reader = sphn.OpusStreamReader(SAMPLE_RATE_HZ)
        try:
            # No keep-alive pings: a server that waits for its turn or reads a prompt answers none.
            # No proxy: what is measured is the way to the server.
            connecting = connect(
                self._url,
                open_timeout=self._connect_timeout_s,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,
                compression=None,
                proxy=None,
            )
            self._socket = self._inside.enter_context(connecting)
        except InvalidStatus as error:
            raise EngineError(
                f"{self.name} refuses the session (HTTP {error.response.status_code}): look at its "
                "log; it may be busy, or the path may be wrong"
            ) from error
        except TimeoutError as error:
            raise EngineError(
                f"{self.name} did not answer within {self._connect_timeout_s:g} s: is it running?"
            ) from error
        except (OSError, EOFError, WebSocketException) as error:
            raise EngineError(
                f"{self.name} can't be reached ({error}): is it running, and is [model] url right? "
                "(a certificate of its own: name it in SSL_CERT_FILE)"
            ) from error
        self._thread.start()
        with self._changed:
            self._changed.wait_for(
                lambda: self._shaken or self._error is not None, self._handshake_timeout_s
            )
            shaken, error_said = self._shaken, self._error
            self._heard_s = time.monotonic()
        if not shaken:
            self.close()
            raise EngineError(
                error_said
                or f"{self.name} sent no handshake within {self._handshake_timeout_s:g} s: it "
                "serves one session at a time, so end the other one, or look at its log"
            )

    def close(self) -> None:
        """Ends the connection; safe to call twice."""
        self._inside.close()
        if self._thread.is_alive():
            self._thread.join(2 * CLOSE_TIMEOUT_S)

    @property
    def silent_s(self) -> float:
        """Time since audio last arrived (or the handshake)."""
        with self._changed:
            return time.monotonic() - self._heard_s

    def send(self, kind: int, content: bytes) -> None:
        """Sends one message.

        Raises:
            EngineError: the connection is gone; says why.
        """
        from websockets.exceptions import ConnectionClosed

        if not content:
            return  # the codec waits for more samples
        try:
            self._socket.send(bytes((kind,)) + content)
        except (ConnectionClosed, OSError) as error:
            with self._changed:
                # The receiver may know the reason better, and is about to report it.
                self._changed.wait_for(lambda: self._error is not None, CLOSE_TIMEOUT_S)
                said = self._error
            raise EngineError(said or f"{self.name} is gone ({error})") from error

    def take(self, wait_s: float) -> tuple[Pcm | None, str]:
        """The oldest frame that has arrived, waiting for one at most ``wait_s``, and the new text.

        Raises:
            EngineError: the connection broke or the messages are not the protocol's, and every
                earlier frame has been taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._error is not None, wait_s)
            if not self._frames and self._error is not None:
                raise EngineError(self._error)
            text = "".join(self._text)
            self._text.clear()
            return (self._frames.popleft() if self._frames else None), text

    # the receiver's thread

    def _receive(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            for message in self._socket:
                self._handle(message)
            self._fail(f"closed the connection after {self._heard} frames")
        except ConnectionClosed as error:
            self._fail(f"broke the connection off after {self._heard} frames ({error})")
        except _NotTheProtocolError as error:
            self._fail(str(error))
        except Exception as error:  # no other part would report it
            self._fail(f"sent what could not be read ({type(error).__name__}: {error})")

    def _fail(self, what: str) -> None:
        with self._changed:
            torn = f" and {len(self._rest)} samples" if len(self._rest) else ""
            self._error = f"{self.name} {what}{torn}"
            self._changed.notify_all()

    def _handle(self, message: str | bytes) -> None:
        """One message."""
        if isinstance(message, str) or not message:
            raise _NotTheProtocolError(
                "sent a message that is not binary: it is not a Moshi server"
            )
        kind, content = message[0], message[1:]
        if kind > COLOURED_TEXT:
            self._skip(kind)
            return
        if kind == ERROR:
            said = content.decode("utf-8", "replace")[:200]
            raise _NotTheProtocolError(f"reports an error: {said}")
        if kind != HANDSHAKE and not self._shaken:
            raise _NotTheProtocolError(f"sent a message of kind {kind} before its handshake")
        pcm = self._decoded(content) if kind == AUDIO else None
        text = _text(content) if kind == TEXT else ""
        text = _text(content[1:]) if kind == COLOURED_TEXT else text
        with self._changed:
            self._shaken = True
            if text:
                self._text.append(text)
            if pcm is not None and len(pcm):
                self._unknown = 0
                self._heard_s = time.monotonic()
                self._rest = np.concatenate((self._rest, pcm))
                while len(self._rest) >= FRAME_SAMPLES:
                    self._frames.append(self._rest[:FRAME_SAMPLES])
                    self._rest = self._rest[FRAME_SAMPLES:]
                    self._heard += 1
            self._changed.notify_all()

    def _skip(self, kind: int) -> None:
        self._unknown += 1
        if self._unknown >= UNKNOWN_LIMIT or not self._shaken:
            raise _NotTheProtocolError(
                f"sent messages of unknown kind (the last: {kind}) and no audio: it is not a Moshi "
                "server, or one of a newer protocol"
            )

    def _decoded(self, content: bytes) -> Pcm:
        try:
            pcm: Pcm = self._reader.append_bytes(content)
        except Exception as error:  # the Opus library's own kinds
            raise _NotTheProtocolError(f"sent audio that is not Opus in Ogg ({error})") from error
        return pcm


class _NotTheProtocolError(Exception):
    """The server's action, as the second half of a sentence."""


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _NotTheProtocolError(f"sent text that is not UTF-8 ({error.reason})") from error
