"""A filler of 3 s while the model needs 1 s: the answer waits behind it."""

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import LLMContextFrame, TTSSpeakFrame
from pipecat.processors.frame_processor import FrameProcessor

LINE = "one moment please, i am looking at the map of the house, and then i will tell you more."


class Filler(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self.push_frame(TTSSpeakFrame(LINE))
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(delay=1.0), before_llm=[Filler()])
