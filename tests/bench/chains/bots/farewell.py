"""Answers by a line of its own and ends the call with the next frame."""

from bot_kit import talk
from pipecat.frames.frames import EndFrame, LLMContextFrame, TTSSpeakFrame
from pipecat.processors.frame_processor import FrameProcessor


class Farewell(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self.push_frame(TTSSpeakFrame("okay i will go to the kitchen. goodbye."))
            await self.push_frame(EndFrame())
            return
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, Farewell())
