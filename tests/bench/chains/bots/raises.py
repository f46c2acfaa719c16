"""A processor before the model raises at every turn: it is lost, and nothing is answered."""

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import LLMContextFrame
from pipecat.processors.frame_processor import FrameProcessor


class Raises(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            raise ValueError("no such customer")
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(), before_llm=[Raises()])
