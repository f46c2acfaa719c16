"""Plays back what it hears, 1 s later: a line test."""

from collections import deque

from bot_kit import talk
from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessor

CHUNKS = 50


class Echo(FrameProcessor):
    def __init__(self):
        super().__init__()
        self.held = deque()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.held.append(frame.audio)
            if len(self.held) > CHUNKS:
                await self.push_frame(OutputAudioRawFrame(self.held.popleft(), 16000, 1))


class Nobody(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, Nobody(), after_stt=[Echo()], rates=(16000, 16000))
