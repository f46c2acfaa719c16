"""Speech that is held back waits, goes on where it was, or is dropped by an interruption."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pipecat.frames.frames import Frame, InterruptionFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection

from pipelines.link.hold import HoldSpeechFrame, HoldsSpeech


class Transport:
    """In place of an output transport of Pipecat's."""

    def __init__(self) -> None:
        self.written: list[int] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Does nothing with it."""

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Notes the chunk's first sample."""
        self.written.append(frame.audio[0])
        return True


class Output(HoldsSpeech, Transport):
    """The mixin on it."""


def chunk(value: int) -> OutputAudioRawFrame:
    return OutputAudioRawFrame(bytes([value, 0]), 16000, 1)


async def sent(output: Any, frame: Frame) -> None:
    await output.process_frame(frame, FrameDirection.DOWNSTREAM)


async def test_a_chunk_waits_while_speech_is_held_and_then_goes_out() -> None:
    output: Any = Output()
    await output.write_audio_frame(chunk(1))
    await sent(output, HoldSpeechFrame())
    waiting = asyncio.create_task(output.write_audio_frame(chunk(2)))
    await asyncio.sleep(0)
    assert (output.written, output.waiting) == ([1], True)
    await sent(output, HoldSpeechFrame(held=False))
    assert await waiting
    assert (output.written, output.waiting) == ([1, 2], False)


async def test_an_interruption_drops_the_chunk_that_waits_and_the_next_goes_out() -> None:
    output: Any = Output()
    await sent(output, HoldSpeechFrame())
    waiting = asyncio.create_task(output.write_audio_frame(chunk(1)))
    await asyncio.sleep(0)
    await sent(output, InterruptionFrame())
    assert not await waiting
    assert await output.write_audio_frame(chunk(2))
    assert output.written == [2]


@pytest.mark.parametrize("held", [True, False])
async def test_the_same_order_twice_changes_nothing(held: bool) -> None:
    output: Any = Output()
    await sent(output, HoldSpeechFrame(held=held))
    await sent(output, HoldSpeechFrame(held=held))
    await sent(output, HoldSpeechFrame(held=False))
    assert await output.write_audio_frame(chunk(1))
