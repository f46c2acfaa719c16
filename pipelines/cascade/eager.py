"""Speech to text that predicts the end of the turn, by any engine: Pipecat's eager end of turn.

The service owns the turn. It hears voice by Silero, keeps the utterance's audio, and asks the
`Endpointer` at each chunk. A prediction asks the recogniser for its last word and pushes it as an
EagerTranscriptionFrame; if the user goes on, the prediction is withdrawn and the recogniser hears
the whole utterance again, some fifty times faster than it was said; at the commit the transcript is
there already, so nothing is waited for.

In a pipeline of Pipecat's own::

    stt = EagerSTTService(process, marks=MarkList(), options=SttOptions())
    aggregators = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(user_turn_strategies=EagerUserTurnStrategies()),
    )
"""

# mypy: allow-untyped-calls
# (parts of Pipecat's base class have no annotations)

from __future__ import annotations

from collections.abc import AsyncGenerator

import numpy as np
from numpy.typing import NDArray
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.turns.eager_end_of_turn_mixin import EagerEndOfTurnSTTServiceMixin
from pipecat.utils.time import time_now_iso8601

from pipelines.cascade.endpointing.endpointer import Endpointer, EndpointOptions, Happened
from pipelines.cascade.endpointing.model import EndOfTurnModel
from pipelines.cascade.stt import RATE_HZ, ModelSTTService
from pipelines.engines.options import SttOptions
from pipelines.errors import ModelError
from pipelines.link.hold import HoldSpeechFrame
from pipelines.link.silero import SharedSilero
from pipelines.marks import MarkSink, stamp
from pipelines.process.failures import report_failure
from pipelines.process.link import ModelRequest
from pipelines.process.process import ModelProcess, next_request_id

_DROP_AFTER_MS = 700.0
"""Silence after which a sound without words, or one that interrupts nobody, is dropped."""


class EagerSTTService(EagerEndOfTurnSTTServiceMixin, ModelSTTService):
    """Recognises, predicts the end of the turn, withdraws the prediction or commits it."""

    def __init__(
        self,
        process: ModelProcess,
        *,
        marks: MarkSink,
        options: SttOptions,
        ends: EndpointOptions | None = None,
        model: EndOfTurnModel | None = None,
    ) -> None:
        """Makes the service of one conversation; ``process`` may serve many, one after another."""
        super().__init__(process, marks=marks, options=options, enable_eager_end_of_turn=True)
        self._silero = SharedSilero()
        self._silero.set_sample_rate(RATE_HZ)
        self._ends = Endpointer(
            model or EndOfTurnModel.shipped(), self._voice, ends or EndpointOptions()
        )
        self._audio: list[bytes] = []
        """The utterance so far, pre-roll included."""
        self._partial = ""
        self._again = False
        self._final: str | None = None
        self._turn_open = False
        self._commit_asked = False
        self._holds = False

    def _voice(self, window: NDArray[np.int16]) -> float:
        return float(np.asarray(self._silero.voice_confidence(window.tobytes())).item())

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Notes whether the agent speaks: its words are then interrupted by words only."""
        if isinstance(frame, BotStartedSpeakingFrame):
            self._ends.agent_speaks = True
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._ends.agent_speaks = False
        await STTService.process_frame(self, frame, direction)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Takes one chunk of audio; all that follows from it is pushed."""
        happened = self._ends.feed(np.frombuffer(audio, dtype=np.int16))
        if self._audio:
            self._audio.append(audio)
            if self._utterance is not None:
                self._utterance.feed(payload=audio, last=False)
        else:
            self._pre_roll.add(audio)
            if self._ends.hears_voice:
                await self._begin()
        if happened is not None:
            await self._act(happened)
        elif self._is_nothing():
            await self._forget()
        yield None

    def _is_nothing(self) -> bool:
        """Whether what was heard led to no turn, and is over."""
        if not self._audio or self._ends.silence_ms < _DROP_AFTER_MS:
            return False
        if not self._turn_open:
            return True
        awaited = self._finalized is not None and self._final is None
        return not (self._partial or self._final or self._commit_asked or awaited)

    async def _act(self, happened: Happened) -> None:
        if happened in ("hold", "resume"):
            await self._hold(happened == "hold")
        elif happened == "begins":
            self._turn_open = True
            self._marks.put(stamp("vad", "speech_start"))
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
            # Behind the interruption, which has dropped what was held.
            await self._hold(False)
        elif happened == "predicted":
            self._finalize()
        elif happened == "goes_on":
            await self._go_on()
        else:
            self._commit_asked = True
            self._marks.put(
                stamp("turn", "analysis", value=self._ends.probability, text="complete")
            )
            if self._final is not None:
                await self._commit()

    async def _hold(self, held: bool) -> None:
        if held != self._holds:
            self._holds = held
            await self.push_frame(HoldSpeechFrame(held=held))

    async def _begin(self) -> None:
        if not self._process.running:
            why = self._process.untold or [f"The model {self._process.name} is starting again."]
            request_id = next_request_id("stt")
            await report_failure(self, self._marks, ModelError(why[-1]), request_id)
            self._start_task(self._restart(request_id))
            self._pre_roll.take()
            return
        self._audio = [self._pre_roll.take()]
        self._open(again=False)

    def _open(self, *, again: bool) -> None:
        """Has the recogniser hear the utterance so far."""
        request_id = next_request_id("stt")
        self._marks.put(stamp("stt", "request", request_id=request_id))
        request = self._process.open(
            "utterance",
            {"fresh": not self._heard_before},
            request_id=request_id,
            marks=self._marks,
            fed=True,
        )
        self._heard_before, self._again, self._final = True, again, None
        request.feed(payload=b"".join(self._audio), last=False)
        self._utterance = request
        self._start_task(self._listen(request))

    async def _go_on(self) -> None:
        """The user was not done: withdraws the prediction."""
        self._commit_asked = False
        finalized, self._finalized = self._finalized, None
        if finalized is not None and not finalized.ended:
            self._drop_request(finalized)
        await self._cancel_eager_end_of_turn()
        self._open(again=True)

    async def _listen(self, request: ModelRequest) -> None:
        try:
            async for header, _ in request:
                if request is not self._utterance and request is not self._finalized:
                    return
                if "final" in header:
                    await self._predict(request, str(header["final"]))
                else:
                    await self._take_partial(
                        str(header["partial"]), settled=bool(header.get("settled"))
                    )
        except ModelError as error:
            await report_failure(self, self._marks, error, request.id)
            await self._forget()
            await self._restart(request.id)
        finally:
            self._drop_request(request)

    async def _take_partial(self, text: str, *, settled: bool) -> None:
        """Takes the words so far; ``settled``: of an utterance that has fallen quiet."""
        if self._again and len(text.split()) < len(self._partial.split()):
            return  # it hears again what it had heard
        self._again, self._partial = False, text
        self._ends.words(text, final=settled)
        if self._partials and self._turn_open:
            await self.push_frame(
                InterimTranscriptionFrame(text, "", time_now_iso8601(), Language.EN)
            )

    async def _predict(self, request: ModelRequest, text: str) -> None:
        """The last word of the recogniser, should the turn be over."""
        if request is not self._finalized:
            return
        self._final = text or self._partial
        if not self._final:
            return  # a sound without words
        self._ends.words(self._final, final=True)
        await self._push_eager_end_of_turn(self._final, user_id="", language=Language.EN)
        if self._commit_asked:
            await self._commit()

    async def _commit(self) -> None:
        """The turn is over, and the transcript is there."""
        text = self._final or ""
        self._reset_utterance()
        self._turn_open = False
        self._clear_eager_end_of_turn()
        self.confirm_finalize()
        if text:
            await self.push_frame(TranscriptionFrame(text, "", time_now_iso8601(), Language.EN))
        await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)

    async def _forget(self) -> None:
        """Drops what was heard: nothing came of it."""
        was_open, self._turn_open = self._turn_open, False
        await self._cancel_eager_end_of_turn()
        self._reset_utterance()
        await self._hold(False)
        if was_open:
            await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)

    def _reset_utterance(self) -> None:
        for request in (self._utterance, self._finalized):
            if request is not None and not request.ended:
                self._drop_request(request)
        self._utterance = self._finalized = self._final = None
        self._audio, self._partial, self._commit_asked = [], "", False
        self._ends.forget()
