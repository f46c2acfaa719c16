"""`MoshiProcessor` with moshi_mlx behind it, in its engine environment, on tiny weights."""

from __future__ import annotations

import numpy as np
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    SpeechOutputAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import SleepFrame, run_test

from pipelines.duplex.processes import duplex_process
from pipelines.duplex.processor import MoshiProcessor
from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.warmth import like_speech
from pipelines.duplex.session.wire import int16_of_bytes, pcm_to_bytes
from pipelines.marks import MarkList

FRAMES = 8
GREETING = "hello, put the red block on the table"


async def test_a_greeting_is_forced_and_the_session_is_reset_completely(tiny_weights):
    frames = [
        InputAudioRawFrame(int16_of_bytes(pcm_to_bytes(pcm)), 24_000, 1)
        for pcm in like_speech(FRAMES)
    ]
    said, texts = [], []
    async with duplex_process(ModelOptions("moshi-tiny")) as model:
        for _ in range(2):
            marks = MarkList()
            processor = MoshiProcessor(model, seed=3, greeting=GREETING, marks=marks)
            down, up = await run_test(
                processor,
                frames_to_send=_and_wait(frames, marks),
                pipeline_params=PipelineParams(audio_in_sample_rate=24_000),
                start_timeout=60.0,
            )
            assert not any(isinstance(f, ErrorFrame) for f in up)
            audio = [f.audio for f in down if isinstance(f, SpeechOutputAudioRawFrame)]
            said.append(np.frombuffer(b"".join(audio), np.int16))
            texts.append("".join(f.text for f in down if isinstance(f, TTSTextFrame)))
            forced = [m.value for m in marks.marks if m.event == "forced"]
            assert forced == sorted(forced) and len(set(forced)) == len(forced) >= 3
            told = "".join(m.text or "" for m in marks.marks if m.event == "forced")
            assert GREETING.startswith(told.strip())
    assert len(said[0]) >= (FRAMES - 2) * 1920 and said[0].any()
    np.testing.assert_array_equal(said[0], said[1])
    assert texts[0] == texts[1]


class _Waiting(SleepFrame):
    """A pause that takes no time once every frame is done."""

    def __init__(self, marks):
        super().__init__(0.1)
        self._marks = marks

    @property
    def sleep(self):
        return 0.0 if sum(m.event == "done" for m in self._marks.marks) == FRAMES else 0.1

    @sleep.setter
    def sleep(self, value):
        pass


def _and_wait(frames, marks):
    """The frames, then up to 20 s until the model, on however slow a machine, has done them."""
    return [*frames, *[_Waiting(marks) for _ in range(200)]]
