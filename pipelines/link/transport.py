"""A pipeline's end of any wire: a Pipecat transport that paces by arithmetic and sends first.

The base output transport does not pace; this one does, without acknowledgements: a write stamps
and sends its chunk, then waits until no more than the device buffer is ahead of what is heard.
Sending first matters: a chunk that waits before it is sent slips out after an interruption.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    DataFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSStartedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns, samples_to_ns
from pipelines.host import DUE_NS
from pipelines.link.hold import HoldSpeechFrame, HoldsSpeech
from pipelines.marks import MarkSink, NoMarks, stamp
from pipelines.spec import AudioOptions


@dataclass(frozen=True, slots=True)
class ChunkIn:
    """One chunk of the user's audio."""

    k: int
    """Its index, from 0."""
    due_ns: int
    """Due time of its last sample on the machine's clock; of a user elsewhere, its arrival."""
    audio: bytes
    """int16, mono, at the pipeline's input rate."""


@dataclass(frozen=True, slots=True)
class ChunkOut:
    """One chunk of the agent's audio, as it leaves."""

    generation: int
    """Number of interruptions before it."""
    seq: int
    """Its index in the conversation, from 0."""
    first_sample: int
    """Index of its first sample in the agent's stream."""
    t_ns: int
    """When it was written."""
    audio: bytes
    """int16, mono."""
    rate_hz: int
    context_id: str
    """Pipecat's name of the utterance that it is of; empty: it has none."""

    @property
    def chunk_id(self) -> str:
        """The request id of its marks."""
        return f"g{self.generation}:{self.seq}"


class Wire(Protocol):
    """The way between the transport's two ends and whoever speaks and listens there."""

    @property
    def marks(self) -> MarkSink:
        """Takes the marks of the stage ``link``."""

    @property
    def opened(self) -> asyncio.Event:
        """Set by the transport when the pipeline listens, and the other end was told."""

    @property
    def closed(self) -> asyncio.Event:
        """Set when the conversation is over."""

    def ready(self, rate_hz: int) -> None:
        """The pipeline listens, and will speak at ``rate_hz``."""

    def audio(self, chunk: ChunkOut) -> None:
        """Takes a chunk, at once and without waiting."""

    def clear(self, generation: int, t_ns: int) -> None:
        """An interruption: what is older than ``generation`` and not yet heard is to be dropped."""

    async def listen(self, on_audio: Callable[[ChunkIn], None]) -> None:
        """Hands the user's chunks to ``on_audio`` until the conversation is over."""


class LinkInput(BaseInputTransport):
    """Input chunks from the caller; each carries its due time."""

    def __init__(self, params: TransportParams, wire: Wire) -> None:
        super().__init__(params)
        self._wire = wire
        self._tasks: list[asyncio.Task[None]] = []
        self._heard: asyncio.Queue[InputAudioRawFrame] = asyncio.Queue()
        self._marked = not isinstance(wire.marks, NoMarks)
        self._straight = params.audio_in_passthrough and not params.audio_in_filter
        """Whether a chunk goes on as it is, as in every pipeline of ours."""

    async def start(self, frame: StartFrame) -> None:
        """Begins to read the socket."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        reading = self._wire.listen(self._on_audio)
        self._tasks = [self.create_task(reading), self.create_task(self._push_heard())]

    async def stop(self, frame: EndFrame) -> None:
        """Stops reading."""
        await self._stop_listening()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """Stops reading."""
        await self._stop_listening()
        await super().cancel(frame)

    async def _stop_listening(self) -> None:
        for task in self._tasks:
            await self.cancel_task(task)
        self._tasks = []

    def _on_audio(self, chunk: ChunkIn) -> None:
        frame = InputAudioRawFrame(chunk.audio, self.sample_rate, 1)
        frame.metadata[DUE_NS] = chunk.due_ns
        frame.metadata["k"] = chunk.k
        (self._heard if self._straight else self._audio_in_queue).put_nowait(frame)

    async def _push_heard(self) -> None:
        """Puts the chunks into the pipeline; Pipecat's own task starts a timer for each of them."""
        while True:
            await self.push_frame(await self._heard.get())

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Stamps each input chunk as the pipeline's first processor gets it."""
        if self._marked and isinstance(frame, InputAudioRawFrame):
            self._wire.marks.put(stamp("link", "chunk_in", value=frame.metadata["k"]))
        await super().push_frame(frame, direction)


class PacedOutput(BaseOutputTransport):
    """Output chunks to the caller's ear, paced by arithmetic."""

    def __init__(self, params: TransportParams, wire: Wire, device_buffer_ms: int) -> None:
        super().__init__(params)
        self._wire = wire
        self._buffer_ns = device_buffer_ms * NS_PER_MS
        self._generation = 0
        self._seq = 0
        self._samples_written = 0
        self._context_id = ""
        self._queue_end_ns = 0
        self._first_fresh_id = 0
        self._wake = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        """Opens the sender and reports to the caller that the pipeline listens."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._wire.marks.put(stamp("agent", "pipeline_ready"))
        self._wire.ready(self.sample_rate)
        self._wire.opened.set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """On an interruption: drops what the ear has not heard, wakes the waiting write."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, InterruptionFrame):
            return
        now_ns = monotonic_ns()
        queued = self._queue_end_ns > now_ns
        self._queue_end_ns = now_ns
        self._generation += 1
        # Pipecat empties its queue, but may already hold a chunk that it took out: an old one,
        # which must not go out as the first of the new generation. Ids are given in order.
        self._first_fresh_id = DataFrame().id
        self._wake.set()
        if queued:
            # With nothing queued there is nothing to clear: the user did not barge in.
            self._wire.marks.put(stamp("link", "clear", t_ns=now_ns, value=self._generation))
        self._wire.clear(self._generation, now_ns)

    async def write_transport_frame(self, frame: Frame) -> None:
        """Marks where a context's audio begins among what is sent."""
        if isinstance(frame, TTSStartedFrame) and frame.context_id:
            self._context_id = frame.context_id
            self._wire.marks.put(stamp("link", "context", text=frame.context_id))

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Stamps and sends a chunk, then waits until the device would take the next one."""
        if frame.interruptible and frame.id < self._first_fresh_id:
            return False
        audio = mono(frame.audio, frame.num_channels)
        samples = len(audio) // 2
        now_ns = monotonic_ns()
        chunk = ChunkOut(
            self._generation,
            self._seq,
            self._samples_written,
            now_ns,
            audio,
            frame.sample_rate,
            self._context_id,
        )
        self._wire.audio(chunk)
        self._wire.marks.put(
            stamp(
                "link",
                "write",
                t_ns=now_ns,
                request_id=chunk.chunk_id,
                value=self._samples_written,
            )
        )
        self._seq += 1
        self._samples_written += samples
        duration_ns = samples_to_ns(samples, frame.sample_rate)
        self._queue_end_ns = max(now_ns, self._queue_end_ns) + duration_ns
        self._wake.clear()
        wait_ns = self._queue_end_ns - self._buffer_ns - monotonic_ns()
        if wait_ns > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_ns / NS_PER_S)
        return True


class LinkOutput(HoldsSpeech, PacedOutput):
    """The same, with speech that can be held back."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Stamps what becomes of speech that is held."""
        waited = self.waiting
        await super().process_frame(frame, direction)
        if isinstance(frame, HoldSpeechFrame):
            self._wire.marks.put(stamp("link", "hold" if frame.held else "resume"))
        elif isinstance(frame, InterruptionFrame) and waited:
            self._wire.marks.put(stamp("link", "withheld"))


def mono(audio: bytes, channels: int) -> bytes:
    """One channel of several, as the caller hears them: their mean.

    Args:
        audio: int16, interleaved.
        channels: Their number.
    """
    if channels == 1:
        return audio
    samples = np.frombuffer(audio, np.int16).reshape(-1, channels)
    mean: bytes = np.rint(samples.mean(axis=1)).astype(np.int16).tobytes()
    return mean


CLIENT = {"id": "duplex-lab caller"}
"""The client, or the participant, that a bot's event handlers get."""

CLIENT_READY = {
    "label": "rtvi-ai",
    "type": "client-ready",
    "id": "duplex-lab",
    "data": {"version": "1.0.0", "about": {"library": "duplex-lab"}},
}
"""The message of a Pipecat client that has connected: a bot may wait for it to greet."""

CLIENT_EVENTS = ("on_client_connected", "on_client_disconnected")
PARTICIPANT_EVENTS = ("on_first_participant_joined", "on_participant_joined", "on_participant_left")
"""Events that some transports have beside the client's."""


class LinkTransport(BaseTransport):
    """The wire as a Pipecat transport.

    Args:
        wire: The way to the other end.
        audio: Rates, chunking and the device buffer.
        params: The parameters of a pipeline that is not ours, which keeps its own rates and
            chunks; None: those of ``audio``.
    """

    def __init__(
        self, wire: Wire, audio: AudioOptions, params: TransportParams | None = None
    ) -> None:
        super().__init__()
        if params is None:
            params = TransportParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_in_sample_rate=audio.in_rate_hz,
                audio_out_sample_rate=audio.out_rate_hz,
                audio_out_10ms_chunks=audio.out_10ms_chunks,
            )
        # After the end there is no listener any more.
        self.params = params.model_copy(update={"audio_out_end_silence_secs": 0})
        self.opened = wire.opened
        """Set when the pipeline listens."""
        self._input = LinkInput(self.params, wire)
        self._output = LinkOutput(self.params, wire, audio.device_buffer_ms)
        for event in (*CLIENT_EVENTS, *PARTICIPANT_EVENTS):
            self._register_event_handler(event)

    def input(self) -> FrameProcessor:
        """The pipeline's first processor."""
        return self._input

    def output(self) -> FrameProcessor:
        """Where the pipeline's audio leaves."""
        return self._output

    def get_client_id(self, client: object) -> str:
        """The caller, who is the only client."""
        return CLIENT["id"]

    async def client_came(self, *, participant: bool) -> None:
        """Reports to a bot that its client is there, as its transport would.

        Args:
            participant: True if that transport reports participants too.
        """
        await self._call_event_handler("on_client_connected", CLIENT)
        if participant:
            await self._call_event_handler("on_participant_joined", CLIENT)
            await self._call_event_handler("on_first_participant_joined", CLIENT)
        await self._input.broadcast_frame(InputTransportMessageFrame, message=CLIENT_READY)

    async def client_gone(self, *, participant: bool) -> None:
        """Reports to a bot that its client has gone."""
        await self._call_event_handler("on_client_disconnected", CLIENT)
        if participant:
            await self._call_event_handler("on_participant_left", CLIENT, "left")
