"""Greets by its LLM; its own backend then answers transcripts by TTSSpeakFrame after 0.5 s."""

import asyncio

from bot_kit import ANSWER, ScriptedLLM, greet_by_llm, talk
from pipecat.frames.frames import TranscriptionFrame, TTSSpeakFrame
from pipecat.processors.frame_processor import FrameProcessor


class Backend(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            await asyncio.sleep(0.5)
            await self.push_frame(TTSSpeakFrame(ANSWER))
            return
        await self.push_frame(frame, direction)


async def bot(runner_args):
    llm = ScriptedLLM("hello there i am ready.", delay=0.1)
    await talk(runner_args, llm, after_stt=[Backend()], greet=greet_by_llm)
