"""The tap looks on: what it makes of frames, and that no frame waits for it."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from pipelines.clock import FakeClock
from pipelines.face.messages import parse
from pipelines.face.states import read_policy
from pipelines.face.tap import FaceTap
from pipelines.face.track import FaceTrack
from pipelines.phones import PHONES, PHONES_AT
from pipelines.watch.frames import (
    PhysicalTaskCancelledFrame,
    PhysicalTaskFrame,
    PhysicalTaskPlannedFrame,
)

LOUD = np.where(np.arange(1920) % 2, 20000, -20000).astype(np.int16).tobytes()


class Kept:
    """A feed that keeps what it is told."""

    def __init__(self):
        self.texts, self.audio = [], []

    def put(self, message):
        (self.texts if isinstance(message, str) else self.audio).append(message)

    def faces(self):
        return [parse(t) for t in self.texts if "type" not in json.loads(t)]


@pytest.fixture
def feed():
    return Kept()


@pytest.fixture
def see(feed):
    """Shows frames to a tap, as if they were pushed by a transport's output or by another."""
    tap = FaceTap(FaceTrack(read_policy()), feed, clock=FakeClock())
    output = BaseOutputTransport(TransportParams())
    other = IdentityFilter()

    async def see(frame, t_ms=0, written=False):
        source = output if written else other
        pushed = FramePushed(source, other, frame, FrameDirection.DOWNSTREAM, t_ms * 1_000_000)
        await tap.on_push_frame(pushed)

    return see


async def test_a_conversation_s_frames_become_its_states(see, feed):
    await see(VADUserStartedSpeakingFrame())
    await see(UserStoppedSpeakingFrame(), 1000)
    await see(TranscriptionFrame("dance", "", ""), 1010)
    await see(LLMTextFrame("Okay, I"), 1020)
    await see(LLMTextFrame(" will dance."), 1025)
    await see(BotStartedSpeakingFrame(), 1030)
    await see(BotStoppedSpeakingFrame(), 2000)
    assert [(m.state, m.speaking, m.hum) for m in feed.faces()] == [
        ("listening", False, True), ("thinking", False, False), ("acting", False, False),
        ("acting", True, False), ("acting", False, False),
    ]  # fmt: skip
    said = [json.loads(t)["text"] for t in feed.texts if json.loads(t).get("type") == "words"]
    assert said == ["dance", "Okay, I", "Okay, I will dance."]


def watched(call):
    return PhysicalTaskFrame(call, {"task": "come"}, "user", "come")


CALL: dict[str, Any] = {"function_name": "do_physical_task", "tool_call_id": "c1"}


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (
            FunctionCallInProgressFrame(arguments={}, **CALL),
            FunctionCallResultFrame(arguments={}, result="done", **CALL),
        ),
        (FunctionCallInProgressFrame(arguments={}, **CALL), FunctionCallCancelFrame(**CALL)),
        (watched("c1"), PhysicalTaskPlannedFrame("c1", "")),
        (watched("c1"), PhysicalTaskCancelledFrame("c1")),
    ],
)
async def test_it_acts_from_a_task_s_call_to_its_end(see, feed, begins, ends):
    await see(begins)
    await see(ends, 500)
    assert [m.state for m in feed.faces()] == ["acting", "listening"]


async def test_of_two_tasks_the_last_one_s_end_counts(see, feed):
    for call in ("c1", "c2"):
        await see(watched(call))
    await see(PhysicalTaskPlannedFrame("c1", ""), 100)
    assert [m.state for m in feed.faces()] == ["acting"]
    await see(PhysicalTaskPlannedFrame("c2", ""), 200)
    assert [m.state for m in feed.faces()] == ["acting", "listening"]


async def test_it_may_hum_only_while_the_user_s_voice_is_heard(see, feed):
    await see(VADUserStartedSpeakingFrame())
    await see(VADUserStoppedSpeakingFrame(), 800)
    await see(BotStartedSpeakingFrame(), 900)
    await see(VADUserStartedSpeakingFrame(), 1000)
    assert [(m.state, m.hum) for m in feed.faces()] == [
        ("listening", True), ("listening", False), ("speaking", False),
    ]  # fmt: skip


async def test_only_what_the_transport_wrote_moves_the_mouth(see, feed):
    await see(TTSAudioRawFrame(LOUD, 24000, 1))
    assert feed.faces() == []
    await see(TTSAudioRawFrame(LOUD, 24000, 1), written=True)
    (message,) = feed.faces()
    assert (message.at, message.samples) == (0, 1920)
    assert message.mouth > 0.5
    assert len(feed.audio) == 1


async def test_phones_in_a_frame_s_metadata_reach_the_lips(see, feed):
    made = TTSAudioRawFrame(LOUD, 24000, 1)
    made.metadata |= {PHONES: [["ɑː", 0, 80]], PHONES_AT: 0.0}
    await see(made)
    await see(OutputAudioRawFrame(LOUD, 24000, 1), written=True)
    assert [k.open for k in feed.faces()[0].visemes] == pytest.approx([0.9] * 5)


async def test_an_interruption_clears_the_page_s_sound_only_where_there_is_some(see, feed):
    await see(InterruptionFrame())
    assert feed.texts == []
    await see(BotStartedSpeakingFrame())
    await see(InterruptionFrame())
    assert {"type": "clear"} in [json.loads(t) for t in feed.texts]


async def test_a_silent_user_is_not_sent_and_keeps_the_count_of_samples(see, feed):
    await see(InputAudioRawFrame(bytes(640), 16000, 1))
    await see(InputAudioRawFrame(LOUD, 16000, 1))
    (message,) = feed.audio
    assert int.from_bytes(message[8:16], "little") == 320


@pytest.mark.timeout(60)
async def test_no_frame_waits_for_the_tap(feed):
    """The tap stands still until the last frame has passed: a pipeline that waited would hang."""
    all_passed = asyncio.Event()
    stood_still = []

    class Stubborn(FaceTap):
        async def on_push_frame(self, data):
            if isinstance(data.frame, TranscriptionFrame):
                await all_passed.wait()
                stood_still.append(data.frame.text)
            await super().on_push_frame(data)

    class Last(IdentityFilter):
        async def process_frame(self, frame, direction):
            await super().process_frame(frame, direction)
            if isinstance(frame, TranscriptionFrame) and frame.text == "39":
                all_passed.set()

    down, _ = await run_test(
        Last(),
        frames_to_send=[TranscriptionFrame(str(i), "", "") for i in range(40)],
        expected_down_frames=[TranscriptionFrame] * 40,
        observers=[Stubborn(FaceTrack(read_policy()), feed)],
    )
    assert [f.text for f in down if isinstance(f, TranscriptionFrame)] == [
        str(i) for i in range(40)
    ]
    assert stood_still
