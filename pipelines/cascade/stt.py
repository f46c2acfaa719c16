"""Speech to text by a `ModelProcess`: one streaming request per utterance.

Audio is kept in a short pre-roll until the VAD reports the user's start, because it reports it
300–600 ms late; then the pre-roll and all that follows goes to the recogniser. At the VAD's stop
the recogniser is asked for its final transcript, which is pushed as final, so that none of
Pipecat's waits for a later transcript applies.
"""

# mypy: allow-untyped-calls
# (parts of Pipecat's base class have no annotations)

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from pipelines.engines.options import SttOptions
from pipelines.errors import ModelError
from pipelines.marks import MarkSink, stamp
from pipelines.process.failures import report_failure
from pipelines.process.link import ModelRequest
from pipelines.process.process import ModelProcess, next_request_id

RATE_HZ = 16000
_BYTES_PER_MS = RATE_HZ * 2 // 1000


class ModelSTTService(STTService):
    """Streaming recognition between the VAD's start and stop."""

    def __init__(
        self, process: ModelProcess, *, marks: MarkSink, options: SttOptions, **kwargs: Any
    ) -> None:
        """Makes the service of one conversation; ``process`` may serve many, one after another.

        Other arguments are those of Pipecat's `STTService`.
        """
        super().__init__(
            **kwargs,
            sample_rate=RATE_HZ,
            ttfs_p99_latency=options.ttfs_p99_secs,
            settings=STTSettings(model=process.name, language=Language.EN),
        )
        self._process = process
        self._marks = marks
        self._partials = options.partials
        self._pre_roll = _PreRoll(options.pre_roll_ms * _BYTES_PER_MS)
        self._utterance: ModelRequest | None = None
        self._finalized: ModelRequest | None = None
        self._listeners: set[asyncio.Task[None]] = set()
        self._heard_before = False

    def can_generate_metrics(self) -> bool:
        """Whether Pipecat may collect metrics: yes."""
        return True

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Takes one chunk of audio; transcripts are pushed when they arrive."""
        if self._utterance is None:
            self._pre_roll.add(audio)
        else:
            self._utterance.feed(payload=audio, last=False)
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Begins and ends utterances at the VAD's events, before anything else is done with
        them.
        """
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self._finalize()
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            await self._begin()

    async def stop(self, frame: EndFrame) -> None:
        """Drops what is not finished."""
        await self._drop()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """Drops what is not finished."""
        await self._drop()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Drops what is not finished."""
        await self._drop()
        await super().cleanup()

    async def _begin(self) -> None:
        """Opens a request and sends it the pre-roll."""
        if self._utterance is not None:
            return
        request_id = next_request_id("stt")
        if not self._process.running:  # it crashed: this utterance is lost, the next is not
            why = self._process.untold or [f"The model {self._process.name} is starting again."]
            await report_failure(self, self._marks, ModelError(why[-1]), request_id)
            self._start_task(self._restart(request_id))
            return
        self._marks.put(stamp("stt", "request", request_id=request_id))
        request = self._process.open(
            "utterance",
            {"fresh": not self._heard_before},
            request_id=request_id,
            marks=self._marks,
            fed=True,
        )
        self._heard_before = True
        request.feed(payload=self._pre_roll.take(), last=False)
        self._utterance = request
        self._start_task(self._listen(request))

    def _finalize(self) -> None:
        """Asks for the final transcript."""
        request, self._utterance = self._utterance, None
        if request is not None:
            self._marks.put(stamp("stt", "finalize", request_id=request.id))
            request.feed(last=True)
            self._finalized = request
            self.request_finalize()

    async def _listen(self, request: ModelRequest) -> None:
        """Pushes an utterance's transcripts."""
        try:
            async for header, _ in request:
                if "final" in header:
                    await self._push_final(request, str(header["final"]))
                elif self._partials:
                    await self.push_frame(
                        InterimTranscriptionFrame(
                            str(header["partial"]), "", time_now_iso8601(), Language.EN
                        )
                    )
        except ModelError as error:
            if self._utterance is request:
                self._utterance = None
            await report_failure(self, self._marks, error, request.id)
            await self._restart(request.id)
        finally:
            self._drop_request(request)

    async def _push_final(self, request: ModelRequest, text: str) -> None:
        if request is self._finalized:  # otherwise the user speaks again and more will come
            self.confirm_finalize()
        if text:
            await self.push_frame(TranscriptionFrame(text, "", time_now_iso8601(), Language.EN))

    async def _restart(self, request_id: str) -> None:
        try:
            await self._process.ensure_running()
        except ModelError as error:
            await report_failure(self, self._marks, error, request_id)

    async def _drop(self) -> None:
        self._utterance = None
        for task in list(self._listeners):
            await self.cancel_task(task)

    def _drop_request(self, request: ModelRequest) -> None:
        if not request.ended:
            request.cancel()
            self._marks.put(stamp("stt", "cancelled", request_id=request.id))

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = self.create_task(work)
        self._listeners.add(task)
        task.add_done_callback(self._listeners.discard)


class _PreRoll:
    """The last stretch of audio that no utterance has taken."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Takes a chunk; drops chunks that are too old."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._chunks and self._size - len(self._chunks[0]) >= self._limit:
            self._size -= len(self._chunks.popleft())

    def take(self) -> bytes:
        """Hands all of it out."""
        audio = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        return audio
