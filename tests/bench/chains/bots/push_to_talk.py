"""Listens only while its client holds a button, which a caller by voice never does."""

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import InputAudioRawFrame, VADUserStartedSpeakingFrame
from pipecat.processors.frame_processor import FrameProcessor


class Gate(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        shut = isinstance(frame, InputAudioRawFrame | VADUserStartedSpeakingFrame)
        if not shut:
            await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(), after_stt=[Gate()])
