"""Text to speech by a `ModelProcess`, as a Pipecat service, at the engine's own rate."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pipecat.frames.frames import (
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TextAggregationMode, TTSService
from pipecat.transcriptions.language import Language

from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import REQUEST_ID
from pipelines.engines.options import TtsOptions
from pipelines.engines.tts import said
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
        self._ahead: tuple[str, ModelRequest] | None = None
        self._said = said.of_this_process()
        self._is_fixed = False
        """Whether the text is a sentence of the server's, and of no answer."""

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
            self._drop_ahead()
        elif isinstance(frame, EagerEndOfTurnCancelFrame):
            self._drop_ahead()
        self._is_fixed = isinstance(frame, TTSSpeakFrame)
        try:
            await super().process_frame(frame, direction)
        finally:
            self._is_fixed = False

    async def cancel(self, frame: CancelFrame) -> None:
        """Drops the audio being made, at once: a generator that is left alone is closed much
        later.
        """
        self._drop()
        self._drop_ahead()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Drops what is being made."""
        self._drop()
        self._drop_ahead()
        await super().cleanup()  # type: ignore[no-untyped-call]

    def prepare(self, text: str, llm_request_id: str) -> None:
        """Synthesises a text that may have to be spoken: nothing of it is pushed.

        `run_tts` takes it up if it gets the very same text next; a withdrawn end of turn, an
        interruption or another text drop it.

        Args:
            text: The first piece of an answer that nobody may hear yet.
            llm_request_id: The request that it is the answer of.
        """
        self._drop_ahead()
        if not self._process.running:
            return  # it is started again when it is needed
        request_id = _id(llm_request_id)
        self._marks.put(stamp("tts", "ahead", request_id=request_id, text=text))
        request = self._process.open(
            "speak", {"text": text}, request_id=request_id, marks=self._marks
        )
        self._ahead = (text, request)

    def _take_ahead(self, text: str) -> ModelRequest | None:
        """The request that was opened ahead for this text; any other is dropped."""
        if self._ahead is None or self._ahead[0] != text:
            self._drop_ahead()
            return None
        (_, request), self._ahead = self._ahead, None
        return request

    def _drop_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead[1].cancel()
            self._marks.put(stamp("tts", "cancelled", request_id=ahead[1].id))

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Synthesises one text."""
        ahead = self._take_ahead(text)
        request_id = ahead.id if ahead else _id(self._llm_request_id)
        is_fixed, samples = self._is_fixed, 0
        pieces: list[said.Piece] = []
        try:
            await self.start_tts_usage_metrics(text)
            await self._process.ensure_running()
            self._marks.put(stamp("tts", "request", request_id=request_id, text=text))
            known = self._said.get(self._process.model, text) if is_fixed else ()
            for piece in known:
                yield self._frame(piece, samples, context_id)
                samples += piece.samples
            if known:
                self._marks.put(stamp("tts", "repeated", request_id=request_id))
                self._marks.put(stamp("tts", "end", request_id=request_id, value=samples))
                return
            self._speaking = ahead or self._process.open(
                "speak", {"text": text}, request_id=request_id, marks=self._marks
            )
            async for header, pcm in self._speaking:
                if not pcm:
                    continue
                pieces.append(said.Piece(pcm, header.get(PHONES, [])))
                yield self._frame(pieces[-1], samples, context_id)
                samples += pieces[-1].samples
            if is_fixed:
                self._said.keep(self._process.model, text, pieces)
            if not pieces:
                # Without any audio from the last text of an answer, Pipecat would end the answer
                # only after 3 s of waiting for some.
                silence = bytes(self._rate_hz // 100 * 2)  # 10 ms
                yield TTSAudioRawFrame(silence, self._rate_hz, 1, context_id=context_id)
        except ModelError as error:
            self._marks.put(stamp("agent", "error", request_id=request_id, text=str(error)))
            yield ErrorFrame(error=str(error))
        finally:
            self._drop()

    def _frame(self, piece: said.Piece, samples: int, context_id: str) -> TTSAudioRawFrame:
        """A piece of a text's audio, after so many samples of it."""
        frame = TTSAudioRawFrame(piece.pcm, self._rate_hz, 1, context_id=context_id)
        at_ms = samples / self._rate_hz * 1000
        frame.metadata |= {PHONES: piece.phones, PHONES_AT: at_ms}
        return frame

    def _drop(self) -> None:
        """Cancels what is still being made."""
        request, self._speaking = self._speaking, None
        if request is not None and not request.ended:
            request.cancel()
            self._marks.put(stamp("tts", "cancelled", request_id=request.id))


def _id(llm_request_id: str) -> str:
    """``<llm id>/<tts id>``; without the first where no language model asked."""
    return "/".join(filter(None, (llm_request_id, next_request_id("tts"))))
