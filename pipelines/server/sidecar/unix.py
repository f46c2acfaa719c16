"""The sidecar over a Unix socket: each message is its length in four bytes, big-endian, and CBOR.

The socket's file is its owner's alone (0600).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

from pipelines.errors import LabError
from pipelines.server.sidecar.contract import MOST_BYTES, Sidecar
from pipelines.server.sidecar.http import read_cbor, write_cbor
from pipelines.wires.error import WireError

LENGTH = struct.Struct(">I")
MESSAGE_S = 10.0
"""Longest time for the rest of a message whose length has come, s."""


@contextlib.asynccontextmanager
async def serving(sidecar: Sidecar, path: Path) -> AsyncIterator[None]:
    """Serves at a socket's path within the block; the file is gone after it.

    Raises:
        LabError: the path can't be used.
    """
    talks: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await _talk(sidecar, reader, writer)
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_unix_server(take, sock=_bound(path))
    try:
        yield
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        _remove(path)


async def _talk(
    sidecar: Sidecar, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One client: request, answer, request, …; one that breaks the framing is sent away."""
    while True:
        try:
            (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            if length > MOST_BYTES:
                raise WireError(f"a message has {MOST_BYTES} bytes at most, not {length}")
            async with asyncio.timeout(MESSAGE_S):
                body = await reader.readexactly(length)
            answer = await sidecar.answer(read_cbor(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except TimeoutError:
            _send(writer, {"ok": False, "error": f"a message's rest took {MESSAGE_S:.0f} s"})
            return
        except WireError as error:
            _send(writer, {"ok": False, "error": str(error)})
            return
        _send(writer, answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()


def _send(writer: asyncio.StreamWriter, answer: dict[str, object]) -> None:
    body = write_cbor(answer)
    writer.write(LENGTH.pack(len(body)) + body)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _bound(path: Path) -> socket.socket:
    """A socket at a path: a file of a server that has died is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()
                else:
                    raise LabError(f"{path}: another server listens at this socket.")
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        listener.close()
        raise LabError(f"{path}: can't be made a socket ({error.strerror or error}).") from None
    except LabError:
        listener.close()
        raise
    return listener
