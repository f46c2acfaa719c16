"""Text to speech by a `ModelProcess`, as a Pipecat service, at the engine's own rate."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pipecat.frames.frames import (
    CancelFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TextAggregationMode, TTSService
from pipecat.transcriptions.language import Language

from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import REQUEST_ID
from pipelines.engines.options import TtsOptions
from pipelines.errors import ModelError
from pipelines.marks import MarkSink, stamp
from pipelines.phones import PHONES, PHONES_AT
from pipelines.process.link import ModelRequest
from pipelines.process.process import ModelProcess, next_request_id

RATE_HZ = 22050


class ModelTTSService(TTSService):
    """Speaks each text that it gets; a request id is ``<llm id>/<tts id>``."""

    def __init__(
        self,
        process: ModelProcess,
        *,
        marks: MarkSink,
        options: TtsOptions,
        hand_over: HandOver | None = None,
        rate_hz: int = RATE_HZ,
    ) -> None:
        """Makes the service of one conversation; ``process`` may serve many, one after another.

        ``rate_hz`` is the engine's own rate, which its audio keeps. ``hand_over`` gets each text
        that this service's own aggregator releases; leave it out where another processor cuts the
        answer into pieces.
        """
        super().__init__(
            text_transforms=[("*", hand_over)] if hand_over else None,
            text_aggregation_mode=TextAggregationMode.SENTENCE,
            push_start_frame=True,
            push_stop_frames=True,
            # A process that failed is started again for the next text: never written off.
            max_consecutive_zero_audio_contexts=0,
            sample_rate=rate_hz,
            settings=TTSSettings(
                model=process.name, voice=options.voice or None, language=Language.EN
            ),
        )
        self._process = process
        self._rate_hz = rate_hz
        self._marks = marks
        self._llm_request_id = ""
        self._speaking: ModelRequest | None = None

    def can_generate_metrics(self) -> bool:
        """Whether Pipecat may collect metrics: yes."""
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Notes the answer that is being spoken, and stops the child at an interruption."""
        if isinstance(frame, LLMFullResponseStartFrame):
            self._llm_request_id = str(frame.metadata.get(REQUEST_ID, ""))
        elif isinstance(frame, InterruptionFrame):
            # The generator below may be suspended at a yield, where no cancellation reaches it.
            self._drop()
        await super().process_frame(frame, direction)

    async def cancel(self, frame: CancelFrame) -> None:
        """Drops the audio being made, at once: a generator that is left alone is closed much
        later.
        """
        self._drop()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Drops what is being made."""
        self._drop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Synthesises one text."""
        request_id = "/".join(filter(None, (self._llm_request_id, next_request_id("tts"))))
        spoke, samples = False, 0
        try:
            await self.start_tts_usage_metrics(text)
            await self._process.ensure_running()
            self._marks.put(stamp("tts", "request", request_id=request_id, text=text))
            self._speaking = self._process.open(
                "speak", {"text": text}, request_id=request_id, marks=self._marks
            )
            async for header, pcm in self._speaking:
                if not pcm:
                    continue
                spoke = True
                frame = TTSAudioRawFrame(pcm, self._rate_hz, 1, context_id=context_id)
                frame.metadata |= {
                    PHONES: header.get(PHONES, []),
                    PHONES_AT: samples / self._rate_hz * 1000,
                }
                samples += len(pcm) // 2
                yield frame
            if not spoke:
                # Without any audio from the last text of an answer, Pipecat would end the answer
                # only after 3 s of waiting for some.
                silence = bytes(self._rate_hz // 100 * 2)  # 10 ms
                yield TTSAudioRawFrame(silence, self._rate_hz, 1, context_id=context_id)
        except ModelError as error:
            self._marks.put(stamp("agent", "error", request_id=request_id, text=str(error)))
            yield ErrorFrame(error=str(error))
        finally:
            self._drop()

    def _drop(self) -> None:
        """Cancels what is still being made."""
        request, self._speaking = self._speaking, None
        if request is not None and not request.ended:
            request.cancel()
            self._marks.put(stamp("tts", "cancelled", request_id=request.id))
