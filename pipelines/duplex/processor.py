"""`MoshiProcessor`: a full-duplex speech model as a Pipecat processor.

It hears every chunk of input audio, of any size and rate, as frames of 80 ms, and emits one for
each: no VAD, no turns, no interruptions. The model computes in a process of its own.
"""

from __future__ import annotations

import asyncio

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMServiceMetadataFrame,
    SpeechOutputAudioRawFrame,
    StartFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import (
    FrameDirection,
    FrameProcessor,
    FrameProcessorSetup,
)

from pipelines.audio.reframe import Reframer
from pipelines.audio.stream_resample import StreamResampler
from pipelines.duplex.frame_marks import FrameMarks
from pipelines.duplex.frames import (
    ConditionFrame,
    DuplexContextEndFrame,
    TextRefusedError,
    mono,
    text_frames,
)
from pipelines.duplex.session.model import FRAME_SAMPLES, SAMPLE_RATE_HZ
from pipelines.duplex.session.options import ProcessorOptions
from pipelines.duplex.session.wire import SESSION, Reply, int16_of_bytes, pcm_to_bytes
from pipelines.duplex.utterances import Utterance, Utterances
from pipelines.errors import ModelError
from pipelines.host import DUE_NS
from pipelines.marks import MarkSink, NoMarks
from pipelines.process.failures import report_failure
from pipelines.process.link import ModelRequest
from pipelines.process.process import ModelProcess, next_request_id

END_GRACE_S = 1.0
"""Longest wait at an EndFrame for the frames that the model still owes, s."""


class MoshiProcessor(FrameProcessor):
    """A duplex model between a transport's input and its output.

    In:  InputAudioRawFrame of any rate, channel count and size; TTSSpeakFrame: its text is forced
         into the model's inner monologue; ConditionFrame: its text is the model's condition.
    Out: SpeechOutputAudioRawFrame, 24 kHz mono, 80 ms each; LLMTextFrame and TTSTextFrame for each
         piece of text, between LLMFullResponseStartFrame and LLMFullResponseEndFrame, as Pipecat's
         speech-to-speech services do; DuplexContextEndFrame. All else passes through.

    Example::

        options = ModelOptions(id="moshi-tiny")
        provide_model(options, print)  # once: builds what it needs
        async with duplex_process(options) as model:
            moshi = MoshiProcessor(model, greeting="Hello, I am listening.")
            pipeline = Pipeline([transport.input(), moshi, passive_vad(), transport.output()])
            ...  # a PipelineWorker as ever, with audio_out_sample_rate=24000

    Let the transport write chunks that divide 80 ms (``audio_out_10ms_chunks`` 1, 2, 4 or 8), and
    put no turn strategy into the pipeline that interrupts: the model itself decides when to yield.
    Pipecat takes any sound above a peak of 20 for speech, so a codec's noise makes the bot "speak".
    """

    def __init__(
        self,
        model: ModelProcess,
        *,
        options: ProcessorOptions | None = None,
        seed: int = 0,
        greeting: str = "",
        marks: MarkSink | None = None,
    ) -> None:
        """Makes the processor of one conversation; ``model`` may serve many, one after another.

        Args:
            model: From `pipelines.duplex.processes.duplex_process`; started here if need be. It
                serves one conversation at a time: a second one is refused.
            options: Policies for a model that is too slow, or whose context is full.
            seed: Seed of the model's sampling.
            greeting: Text that it says before it hears anything.
            marks: Takes the stage ``duplex`` of `pipelines.marks`.
        """
        super().__init__()
        self._model = model
        self._options = options or ProcessorOptions()
        self._seed = seed
        self._greeting = greeting
        self._sink = marks or NoMarks()
        self._resampler: StreamResampler | None = None
        self._reframer = Reframer(FRAME_SAMPLES)
        self._frames = 0
        self._session: ModelRequest | None = None
        self._to_say: list[str] = []  # asked for before the session was open
        self._session_marks = FrameMarks(self._sink, "", None)
        self._listener: asyncio.Task[None] | None = None
        self._text = Utterances()
        self._stopped = False
        self._closed = False
        self._not_loaded: ModelError | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Starts the model's process, unless it is warm."""
        await super().setup(setup)
        try:
            await self._model.ensure_running()
        except ModelError as error:
            self._not_loaded = error  # reported when the pipeline has started

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hears input audio; opens and closes the session."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._hear(frame)
        elif isinstance(frame, TTSSpeakFrame):
            self.say(frame.text)
            return
        elif isinstance(frame, ConditionFrame):
            if self._session is not None:
                self._session.feed({"condition": frame.text}, last=False)
            return
        elif isinstance(frame, EndFrame):
            await self._close(END_GRACE_S)
        elif isinstance(frame, CancelFrame):
            await self._close()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self._open()

    async def cleanup(self) -> None:
        """Ends the session."""
        await self._close()
        await super().cleanup()  # type: ignore[no-untyped-call]

    def say(self, text: str) -> None:
        """Queues a text to be forced into the model's inner monologue, one token a frame.

        Before the session is open it waits for that, behind the greeting.
        """
        if self._session is not None:
            self._session.feed({"say": text}, last=False)
        elif not self._closed:
            self._to_say.append(text)

    # the user's side

    async def _open(self) -> None:
        options = self._options
        header = {
            "seed": self._seed,
            "greeting": self._greeting,
            "queue_frames": options.queue_frames if options.overload == "drop" else 0,
            "context_end": options.context_end,
        }
        session_id = next_request_id("duplex")
        try:
            if self._not_loaded is not None:
                raise self._not_loaded
            await self._model.ensure_running()
            if self._model.serving:  # it would wait, and seem hung together with the other
                raise ModelError(
                    f"The model {self._model.name} is in another conversation: end that first, or "
                    "start a second process for this one."
                )
            self._session_marks = FrameMarks(self._sink, session_id, self._model.pid)
            self._session = self._model.open(
                SESSION, header, request_id=session_id, marks=self._sink, fed=True, owes="frame"
            )
        except ModelError as error:
            await report_failure(self, self._sink, error, session_id)
            return
        self._session_marks.session(self._model.name, self._seed)
        for text in self._to_say:
            self.say(text)
        self._to_say.clear()
        await self.broadcast_frame(
            LLMServiceMetadataFrame, service_name=self.name, is_realtime_service=True
        )
        self._listener = self.create_task(self._listen(self._session))

    def _hear(self, frame: InputAudioRawFrame) -> None:
        """Passes on each 80 ms frame that this chunk completes."""
        session = self._session
        if session is None or session.ended or self._stopped:
            return
        pcm = mono(frame)
        if self._resampler is None or self._resampler.from_hz != frame.sample_rate:
            self._resampler = StreamResampler(frame.sample_rate, SAMPLE_RATE_HZ)
            self._session_marks.hold_back(self._resampler.delay_s)
        due_ns: int | None = frame.metadata.get(DUE_NS)
        for whole in self._reframer.feed(self._resampler.feed(pcm)):
            self._session_marks.frame("frame_in", self._frames, due_ns)
            payload = pcm_to_bytes(whole)
            self._session_marks.frame("handed", self._frames)
            session.feed({"frame": self._frames}, payload, last=False)
            self._frames += 1

    async def _close(self, grace_s: float = 0.0) -> None:
        """Ends the session: at once, or when the frames it owes have come out, in ``grace_s`` at
        most.
        """
        self._closed = True
        session, self._session = self._session, None
        listener, self._listener = self._listener, None
        if session is not None:
            try:
                if grace_s and listener is not None:
                    session.feed(last=True)
                    await asyncio.wait({listener}, timeout=grace_s)
            finally:
                session.cancel()
        if listener is not None:
            await self.cancel_task(listener)
        await self._tell_end(self._text.end(), push=grace_s > 0)

    # the model's side

    async def _listen(self, session: ModelRequest) -> None:
        """Pushes out the model's speech, until the session ends."""
        try:
            async for header, payload in session:
                if "frame" in header:
                    await self._take(Reply.read(header, payload))
                elif refusal := header.get("error"):
                    await self.push_error(str(refusal), TextRefusedError(str(refusal)))
        except ModelError as error:
            await report_failure(self, self._sink, error, session.id)
        except ValueError as error:
            session.cancel()
            broken = ModelError(
                f"The model {self._model.name} sent something that is not a frame: {error}."
            )
            await report_failure(self, self._sink, broken, session.id)

    async def _take(self, reply: Reply) -> None:
        if reply.context_end and not self._stopped:
            await self._context_end(reply.frame)
        if reply.pcm:
            pcm = int16_of_bytes(reply.pcm)
            await self.push_frame(SpeechOutputAudioRawFrame(pcm, SAMPLE_RATE_HZ, 1))
            self._session_marks.frame_out(reply)
        self._session_marks.reply(reply)
        if "done" not in reply.stamps:
            return  # dropped, or after the context's end
        if reply.text and not self._text.open:
            await self.push_frame(LLMFullResponseStartFrame())
        ended = self._text.feed(reply.text, reply.stamps.get("stepped", reply.stamps["done"]))
        for frame in text_frames(reply.text):
            await self.push_frame(frame)
        await self._tell_end(ended)

    async def _tell_end(self, said: Utterance | None, *, push: bool = True) -> None:
        if said is not None:
            self._session_marks.answer(said)
            if push:
                await self.push_frame(LLMFullResponseEndFrame())

    async def _context_end(self, frame: int) -> None:
        policy = self._options.context_end
        self._session_marks.context_end(frame, policy)
        then = "it has begun a new session"
        if policy == "stop":
            self._stopped = True
            then = "it is silent from now on (context_end = 'reset' would begin a new session)"
        else:
            self._session_marks.session(self._model.name, self._seed)
        text = f"The context of the model {self._model.name} is full after {frame} frames: {then}."
        logger.warning(text)
        await self.push_frame(DuplexContextEndFrame(policy, text))
