"""A lookup that blocks the event loop for 0.4 s at every transcript."""

import time

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import TranscriptionFrame
from pipecat.processors.frame_processor import FrameProcessor


class Lookup(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            time.sleep(0.4)  # noqa: ASYNC251  the fault that is measured
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(), after_stt=[Lookup()])
