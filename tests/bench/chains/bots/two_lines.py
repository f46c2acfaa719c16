"""An own backend says "let me check" and, 2.5 s later, the answer: two lines, and no model."""

import asyncio

from bot_kit import ANSWER, talk
from pipecat.frames.frames import LLMContextFrame, TTSSpeakFrame
from pipecat.processors.frame_processor import FrameProcessor


class Backend(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self.push_frame(TTSSpeakFrame("let me check."))
            await asyncio.sleep(2.0)
            await self.push_frame(TTSSpeakFrame(ANSWER))
            return
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, Backend())
