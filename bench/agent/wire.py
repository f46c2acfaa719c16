"""The agent's end of the local line: the socket to the caller, as the wire of a transport."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from bench.lines.local import Decoder, Kind, Message, encode
from pipelines.host import LabelFeed
from pipelines.link.transport import ChunkIn, ChunkOut
from pipelines.marks import MarkSink


class Wire:
    """The open socket, shared by the transport's two ends; see `pipelines.link.transport.Wire`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, marks: MarkSink
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.marks = marks
        self.labels: LabelFeed | None = None
        self.closed = asyncio.Event()
        """Set when the caller said BYE or went away: the trial is over."""
        self.opened = asyncio.Event()
        """Set when the pipeline listens, and the caller knows it."""

    @classmethod
    async def connect(cls, path: str, marks: MarkSink) -> Wire:
        """Connects to the caller's Unix socket."""
        reader, writer = await asyncio.open_unix_connection(path)
        return cls(reader, writer, marks)

    def ready(self, rate_hz: int) -> None:
        """Reports that the pipeline listens."""
        self._send(Message(Kind.READY, a=rate_hz))

    def audio(self, chunk: ChunkOut) -> None:
        """Hands a chunk to the socket."""
        self._send(
            Message(
                Kind.AUDIO_OUT,
                generation=chunk.generation,
                seq=chunk.seq,
                a=chunk.first_sample,
                b=chunk.t_ns,
                payload=chunk.audio,
            )
        )

    def clear(self, generation: int, t_ns: int) -> None:
        """Tells the ear to drop what it has not heard."""
        self._send(Message(Kind.CLEAR, generation=generation, b=t_ns))

    def tell_work(self, open_requests: int) -> None:
        """Reports to the caller how many of the agent's requests are open."""
        self._send(Message(Kind.WORK, a=open_requests))

    async def listen(self, on_audio: Callable[[ChunkIn], None]) -> None:
        """Reads until the caller ends the trial; audio goes to ``on_audio``."""
        decoder = Decoder()
        try:
            while data := await self.reader.read(1 << 16):
                for message in decoder.feed(data):
                    if message.kind is Kind.AUDIO_IN:
                        on_audio(ChunkIn(message.seq, message.a, message.payload))
                    elif message.kind is Kind.LABELS and self.labels is not None:
                        self.labels.speech.append((message.a, message.b))
                    elif message.kind is Kind.BYE:
                        return
        except ConnectionError:
            return
        finally:
            self.closed.set()

    async def close(self) -> None:
        """Closes the socket."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def _send(self, message: Message) -> None:
        """Hands a message to the socket, at once and without waiting."""
        if not self.writer.is_closing():
            self.writer.write(encode(message))
