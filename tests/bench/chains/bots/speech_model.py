"""A model that hears and speaks itself: no recogniser, no synthesiser, its own audio and text."""

import asyncio

from bot_kit import ANSWER, talk
from pipecat.frames.frames import (
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType
from recording import RATE_HZ, tone


class Realtime(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await asyncio.sleep(0.4)
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(TTSStartedFrame())
        await self.push_frame(TTSTextFrame(ANSWER, text_type=TextType.SENTENCE))
        await self.push_frame(TTSAudioRawFrame(tone(1.0), RATE_HZ, 1))
        await self.push_frame(TTSStoppedFrame())
        await self.push_frame(LLMFullResponseEndFrame())


class PassThrough(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, Realtime(), rates=(16000, RATE_HZ), tts_of=lambda tts: PassThrough())
