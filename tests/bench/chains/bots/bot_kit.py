"""What the test bots share: local STT and TTS of duplex-lab, and a scripted LLM with a known
delay.
"""

import asyncio
import contextlib

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.utils import create_transport
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pipelines.cascade.services import local_services

ANSWER = "okay i will go to the kitchen."


class ScriptedLLM(LLMService):
    """Answers every context with one sentence, after a delay."""

    def __init__(self, text=ANSWER, delay=0.3, marker=""):
        super().__init__(
            settings=LLMSettings(
                model="scripted",
                system_instruction=None,
                temperature=0,
                max_tokens=0,
                top_p=None,
                top_k=None,
                frequency_penalty=None,
                presence_penalty=None,
                seed=None,
                filter_incomplete_user_turns=False,
                user_turn_completion_config=None,
            )
        )
        self.text, self.delay, self.marker = text, delay, marker

    def can_generate_metrics(self):
        return True

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self.answer(frame.context)
        else:
            await self.push_frame(frame, direction)

    async def answer(self, context):
        await self.push_frame(LLMFullResponseStartFrame())
        await self.start_ttfb_metrics()
        await asyncio.sleep(self.delay)
        await self.stop_ttfb_metrics()
        await self.say(self.text)
        await self.push_frame(LLMFullResponseEndFrame())

    async def say(self, text):
        if self.marker:
            await self._push_llm_text(self.marker)
        for word in text.split():
            await self._push_llm_text(word + " ")


def link():
    """The parameters of the bot's transport."""
    return TransportParams(audio_in_enabled=True, audio_out_enabled=True)


def listening(**more):
    """Turns that end 300 ms after the VAD's stop."""
    stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)
    given = {"user_turn_strategies": UserTurnStrategies(stop=[stop]), **more}
    return LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), **given)


async def talk(
    runner_args,
    llm,
    *,
    user_params=None,
    greet=None,
    wire=None,
    after_stt=(),
    before_llm=(),
    after_llm=(),
    after_tts=(),
    params=link,
    ways=None,
    rates=(16000, 22050),
    tts_of=None,
    stt_of=None,
    **more,
):
    """One conversation: transport → STT → user → LLM → TTS → transport → assistant."""
    transport = await create_transport(runner_args, ways or {"webrtc": params})
    if getattr(runner_args, "transport_type", "") == "twilio":
        rates = (8000, 8000)  # what the telephone has: no resampler between
    async with local_services() as (stt, _, tts):
        context = LLMContext()
        user, assistant = LLMContextAggregatorPair(context, user_params=user_params or listening())
        voice = tts_of(tts) if tts_of else tts
        stt = stt_of(stt) if stt_of else stt
        stages = [transport.input(), stt, *after_stt, user, *before_llm, llm, *after_llm]
        worker = PipelineWorker(
            Pipeline([*stages, voice, *after_tts, transport.output(), assistant]),
            params=PipelineParams(audio_in_sample_rate=rates[0], audio_out_sample_rate=rates[1]),
            idle_timeout_secs=runner_args.pipeline_idle_timeout_secs,
            **more,
        )
        runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
        if wire:
            wire(worker=worker, user=user, assistant=assistant, llm=llm, tts=tts, context=context)

        @transport.event_handler("on_client_connected")
        async def connected(_transport, _client):
            if greet:
                await greet(worker, context)

        @transport.event_handler("on_client_disconnected")
        async def gone(_transport, _client):
            await runner.cancel()

        await runner.add_workers(worker)
        with contextlib.suppress(asyncio.CancelledError):
            await runner.run()


async def greet_by_llm(worker, context):
    context.add_message({"role": "user", "content": "Hello!"})
    await worker.queue_frames([LLMRunFrame()])


async def greet_by_tts(worker, context):
    await worker.queue_frames([TTSSpeakFrame("hello there.")])
