"""A soft sound while the language model works, at once at the turn's end; the answer after 1 s."""

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import LLMContextFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessor
from recording import RATE_HZ, tone


class Typing(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self.push_frame(OutputAudioRawFrame(tone(0.5, 200), RATE_HZ, 1))
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(delay=1.0), before_llm=[Typing()])
