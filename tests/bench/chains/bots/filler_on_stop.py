"""A filler at the VAD's stop, before the turn's end; the LLM takes 1 s. It does not greet."""

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import TTSSpeakFrame, VADUserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


class Filler(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        stopped = isinstance(frame, VADUserStoppedSpeakingFrame)
        if stopped and direction is FrameDirection.DOWNSTREAM:
            await self.push_frame(TTSSpeakFrame("let me check."))


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(delay=1.0), before_llm=[Filler()])
