"""The child's side of `pipelines.process.process`: one engine, served over an inherited socket.

Run as ``python -m pipelines.process.child FD``. Imports the standard library, the engine, and
modules of ours that import nothing else, because the interpreter may be one of an engine
environment. A reader thread takes messages (so that a cancel is seen while the engine works); the
engine has the main thread, where libraries expect to be.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from pipelines.marks import Mark, stamp
from pipelines.process.engine import (
    WARM_UP,
    Emit,
    Engine,
    EngineError,
    Header,
    Request,
    RequestCancelled,
    imported,
)
from pipelines.process.wire import Decoder, WireError, pack

_READ_BYTES = 1 << 16
_PR_SET_PDEATHSIG = 1


class Child:
    """Reads requests, runs the engine, writes replies."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._work: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._open: dict[str, Request] = {}
        self._served: Request | None = None
        self._lock = threading.Lock()  # of the two above
        self._sending = threading.Lock()
        self._decoder = Decoder()

    def serve(self) -> None:
        """Loads the engine that the first message names, then serves until asked to stop."""
        header, _ = self._first_message()
        name = str(header["name"])
        marks: list[Mark] = [stamp("agent", "load_start", text=name)]
        try:
            engine = _make(str(header["engine"]), header["options"])
            engine.load()
            marks.append(stamp("agent", "load_end", text=name))
            engine.warm_up()
            marks.append(stamp("agent", "warm_end", text=name))
        except Exception as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            self._send({"type": "failed", "error": _say(error)}, marks=marks)
            return
        self._send({"type": "ready"}, marks=marks)
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        while (request := self._work.get()) is not None:
            self._serve_one(engine, request)

    def _serve_one(self, engine: Engine, request: Request) -> None:
        with self._lock:
            if request.id not in self._open:
                return  # cancelled while it waited
            self._served = request
        end: Header = {"type": "end", "id": request.id}

        def send(header: Header, payload: bytes, marks: list[Mark]) -> None:
            self._send({"type": "reply", "id": request.id, "header": header}, payload, marks)

        emit = Emit(request, send)
        try:
            if request.op == WARM_UP:
                engine.warm_up()
            else:
                engine.run(request, emit)
        except RequestCancelled:
            pass  # it was asked to stop: the end message below is enough
        except Exception as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            end["error"] = _say(error)
        with self._lock:
            del self._open[request.id]
            self._served = None
        self._send(end, marks=emit.take_marks())

    def _send(self, header: Header, payload: bytes = b"", marks: list[Mark] | None = None) -> None:
        if marks:
            header["marks"] = [
                (m.t_ns, m.stage, m.event, m.turn, m.request_id, m.pid, m.value, m.text)
                for m in marks
            ]
        try:
            with self._sending:
                self._sock.sendall(pack(header, payload))
        except OSError:
            os._exit(0)  # the parent is gone, so there is no receiver

    def _first_message(self) -> tuple[Header, bytes]:
        while True:
            data = self._sock.recv(_READ_BYTES)
            if not data:
                os._exit(0)
            if messages := self._decoder.feed(data):
                return messages[0]

    def _read(self) -> None:
        try:
            while data := self._sock.recv(_READ_BYTES):
                for header, payload in self._decoder.feed(data):
                    self._take(header, payload)
        except (OSError, WireError) as error:
            print(f"the link to the parent broke: {error}", file=sys.stderr, flush=True)
        # The parent closed its end or died. The main thread may be deep in a library: don't wait.
        os._exit(0)

    def _take(self, header: Header, payload: bytes) -> None:
        kind = header["type"]
        if kind == "stop":
            self._work.put(None)
            return
        with self._lock:
            request = self._open.get(header["id"])
            if kind == "request":
                request = Request(header["id"], header["op"], header["header"], payload)
                self._open[request.id] = request
                self._work.put(request)
            elif kind == "feed" and request is not None:
                request.feed(header["header"], payload)
            elif kind == "cancel" and request is not None:
                request.cancel()
                if request is not self._served:  # it waits its turn, which may take long
                    del self._open[request.id]
                    self._send({"type": "end", "id": request.id})


def _make(path: str, options: dict[str, Any]) -> Engine:
    try:
        engine: Engine = imported(path)(**options)
    except ModuleNotFoundError as error:
        raise EngineError(
            f"the package {error.name!r} is not installed for {sys.executable}: "
            "run 'make setup', or build the engine's environment"
        ) from error
    return engine


def _say(error: Exception) -> str:
    if isinstance(error, EngineError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def die_with_parent(parent_pid: int) -> None:
    """Linux: the kernel kills this process with its parent, even if it is deep in a library."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:
            os._exit(0)  # the parent died before the call


def main(argv: list[str]) -> None:
    """Entry point: ``argv`` is [socket's file descriptor, parent's pid]."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    die_with_parent(int(argv[1]))
    with socket.socket(fileno=int(argv[0])) as sock:
        Child(sock).serve()
    sys.stderr.flush()
    os._exit(0)  # skips libraries' exit handlers: some hang, and nothing is left to save


if __name__ == "__main__":
    main(sys.argv[1:])
