"""Pipecat's own client of OpenAI's Realtime protocol holds a conversation through our door."""

import asyncio

import numpy as np
from pipecat.frames.frames import InputAudioRawFrame, TTSAudioRawFrame, TTSTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.realtime.events import SessionProperties
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

from tests.pipelines.server.doors.served import loud, served

LOOK_UP = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}


class Heard(FrameProcessor):
    """Keeps what the service said.

    Args:
        is_over: Whether it is enough, of itself.
    """

    def __init__(self, is_over=lambda h: h.words and h.pcm and h.pcm[-1].max() == 8_000):
        super().__init__()
        self.is_over = is_over
        self.pcm = []
        self.words = []
        self.done = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.pcm.append(np.frombuffer(frame.audio, np.int16))
        elif isinstance(frame, TTSTextFrame):
            self.words.append(frame.text)
        if self.is_over(self):
            self.done.set()
        await self.push_frame(frame, direction)


async def test_a_function_is_called_and_its_result_is_spoken():
    asked = []

    async def look_up(params):
        asked.append(dict(params.arguments))
        await params.result_callback({"where": "on the shelf"})

    async with served() as (_, url):
        llm = OpenAIRealtimeLLMService(
            api_key="none",
            base_url=f"{url}/v1/realtime",
            settings=OpenAIRealtimeLLMService.Settings(
                model="clerk", session_properties=SessionProperties(tools=[LOOK_UP])
            ),
        )
        llm.register_function("look_up", look_up)
        heard = Heard()
        pair = LLMContextAggregatorPair(LLMContext())
        worker = PipelineWorker(
            Pipeline([pair.user(), llm, heard, pair.assistant()]),
            params=PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )
        runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await asyncio.sleep(0.3)
        frame = InputAudioRawFrame(loud(1_920).tobytes(), 24_000, 1)
        await worker.queue_frame(frame)
        async with asyncio.timeout(10):
            await heard.done.wait()
        await runner.cancel()
        await running
    assert asked == [{"what": "the red cup"}]
    assert heard.words == ['{"where": "on the shelf"}']
    assert [len(p) for p in heard.pcm] == [1_920, 1_920]  # the filler, the result
