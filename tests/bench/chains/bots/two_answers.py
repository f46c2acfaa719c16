"""Answers, and 1.2 s after its end says one thing more."""

import asyncio

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import BotStoppedSpeakingFrame, TTSSpeakFrame
from pipecat.processors.frame_processor import FrameProcessor


class More(FrameProcessor):
    said = False

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, BotStoppedSpeakingFrame) and not self.said:
            self.said = True
            await asyncio.sleep(1.2)
            await self.push_frame(TTSSpeakFrame("anything else?"))


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(), after_llm=[More()])
