"""A double of a Moshi server: speaks its websocket protocol without a model, well or badly.

It answers frame by frame as the real ones do, with an echo of the user or with speech of its own,
and a piece of text per frame; and it can misbehave in every way that a client must survive.
"""

from __future__ import annotations

import http
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

import numpy as np

from pipelines.duplex.session.model import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm

if TYPE_CHECKING:
    from websockets.http11 import Request, Response
    from websockets.sync.server import Server, ServerConnection

Misbehaviour = Literal[
    "",
    "refuses",  # answers the handshake of HTTP with 503
    "no_handshake",  # takes the connection, and says nothing: as a server that is busy
    "closes",  # politely, after `misbehave_after` frames
    "closes_in_mid_frame",  # tears the connection after half an Ogg page
    "silent",  # stops answering
    "bad_kind",  # sends kinds that no protocol has
    "bad_opus",
    "bad_text",  # not UTF-8
    "text_message",  # not binary: another protocol
    "reports_error",  # kind 5 of the Rust server
]


class MoshiServerDouble:
    """A server on a free port of this machine, within a ``with``; one session at a time.

    ``url`` is its address; ``queries``: the query of each session; ``errors``: the errors that
    ended sessions.
    """

    def __init__(
        self,
        *,
        misbehaviour: Misbehaviour = "",
        misbehave_after: int = 3,
        delay_frames: int = 1,
        compute_s: float = 0.0,
        speech: Pcm | None = None,
        words: Sequence[str] = (),
    ) -> None:
        """Describes the server.

        Args:
            misbehaviour: The fault.
            misbehave_after: Number of the user's frames before the fault.
            delay_frames: Frame t is answered by an echo of frame t − delay; before that by none.
            compute_s: Time for each frame.
            speech: (n, 1920) said in place of the echo, repeated.
            words: Words, one with each frame, until they are used up.
        """
        self._misbehaviour = misbehaviour
        self._misbehave_after = misbehave_after
        self._delay_frames = delay_frames
        self._compute_s = compute_s
        self._speech = speech
        self._words = tuple(words)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._busy = threading.Lock()
        self._over = threading.Event()
        self.queries: list[dict[str, list[str]]] = []
        self.errors: list[str] = []

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:port``."""
        assert self._server is not None, "enter it first"
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> MoshiServerDouble:
        from websockets.sync.server import serve

        self._server = serve(
            self._session, "127.0.0.1", 0, compression=None, process_request=self._greet
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(5)

    def _greet(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._misbehaviour == "refuses":
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "busy\n")
        if urlsplit(request.path).path != "/api/chat":
            return connection.respond(http.HTTPStatus.NOT_FOUND, "only /api/chat is here\n")
        return None

    def _session(self, connection: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        assert connection.request is not None
        self.queries.append(parse_qs(urlsplit(connection.request.path).query, True))
        if self._misbehaviour == "no_handshake":
            self._over.wait(30)
            return
        try:
            with self._busy:  # the real ones keep a second client waiting, without a word
                connection.send(b"\x00")
                self._converse(connection)
        except (ConnectionClosed, OSError):
            pass  # the client hung up, or was hung up on
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _converse(self, connection: ServerConnection) -> None:
        import sphn

        reader = sphn.OpusStreamReader(SAMPLE_RATE_HZ)
        writer = sphn.OpusStreamWriter(SAMPLE_RATE_HZ)
        waiting: deque[Pcm] = deque()
        rest = np.zeros(0, np.float32)
        heard = 0
        for message in connection:
            if isinstance(message, str) or message[:1] != b"\x01":
                raise ValueError(f"a client sends audio only, not {message[:20]!r}")
            rest = np.concatenate((rest, reader.append_bytes(message[1:])))
            while len(rest) >= FRAME_SAMPLES:
                frame, rest = rest[:FRAME_SAMPLES], rest[FRAME_SAMPLES:]
                heard += 1
                time.sleep(self._compute_s)
                if self._misbehaviour and heard > self._misbehave_after:
                    if not self._misbehave(connection, writer):
                        return
                    continue
                waiting.append(frame)
                if len(waiting) > self._delay_frames:
                    self._answer(connection, writer, waiting.popleft(), heard)

    def _answer(self, connection: ServerConnection, writer: Any, echo: Pcm, heard: int) -> None:
        number = heard - 1 - self._delay_frames
        said = echo if self._speech is None else self._speech[number % len(self._speech)]
        connection.send(b"\x01" + writer.append_pcm(np.ascontiguousarray(said)))
        if number < len(self._words):
            connection.send(b"\x02" + self._words[number].encode())

    def _misbehave(self, connection: ServerConnection, writer: Any) -> bool:
        """Misbehaves once; returns whether the session goes on."""
        page = b"\x01" + writer.append_pcm(np.zeros(FRAME_SAMPLES, np.float32))
        if self._misbehaviour == "closes":
            connection.close()
        elif self._misbehaviour == "closes_in_mid_frame":
            connection.send(page[: len(page) // 2])
            connection.socket.shutdown(socket.SHUT_RDWR)
        elif self._misbehaviour == "text_message":
            connection.send("hello")
        elif self._misbehaviour != "silent":
            connection.send(
                {
                    "bad_kind": b"\x99garbage",
                    "bad_opus": b"\x01" + b"garbage" * 30,
                    "bad_text": b"\x02\xff\xfe",
                    "reports_error": b"\x05out of memory",
                }[self._misbehaviour]
            )
        return not self._misbehaviour.startswith("closes")
