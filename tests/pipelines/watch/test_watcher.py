"""The tap: every frame goes on before any work, whatever the minds behind it do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterimTranscriptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import SleepFrame, run_test

from pipelines.clock import NS_PER_MS, FakeClock
from pipelines.errors import ModelError
from pipelines.face.states import read_policy
from pipelines.face.tap import FaceTap
from pipelines.face.track import FaceTrack
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess
from pipelines.watch.frames import (
    PhysicalTaskCancelledFrame,
    PhysicalTaskFrame,
    PhysicalTaskPlannedFrame,
)
from pipelines.watch.options import WatchOptions
from pipelines.watch.reading.judge import shipped_judge
from pipelines.watch.reading.reader import Reader
from pipelines.watch.tap import ENGINES
from pipelines.watch.watcher import IntentWatcher

TASK_FRAMES = (PhysicalTaskFrame, PhysicalTaskCancelledFrame, PhysicalTaskPlannedFrame)


class Mind:
    """A reader in this process that answers when ``open`` is set, and a reasoner likewise."""

    def __init__(self, *, fails: bool = False) -> None:
        self.open = asyncio.Event()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.cancelled: list[str] = []
        self._readers = {who: Reader(shipped_judge()) for who in ("user", "agent")}
        self._fails = fails

    async def request(
        self, op: str, header: Any = None, payload: bytes = b"", **_: Any
    ) -> AsyncIterator[tuple[dict[str, Any], bytes]]:
        self.asked.append((op, header))
        await self.open.wait()
        if self._fails:
            raise ModelError("The model intent reader crashed.")
        if op == "plan":
            yield {"plan": f"how to {header['task']}"}, b""
            return
        heard = self._readers[header["who"]].read(header["text"], header["who"])
        fields = ("task", "object", "relation", "place")
        yield {"heard": [{f: getattr(h, f) for f in fields} for h in heard]}, b""

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)


def ready(**options: Any) -> Mind:
    mind = Mind(**options)
    mind.open.set()
    return mind


def spoken(text: str) -> list[Frame]:
    """As a duplex model says it: audio, and a word now and then."""
    words = [LLMTextFrame(f" {word}") for word in text.split(" ")]
    audio = [OutputAudioRawFrame(bytes([i % 256, 0]) * 1920, 24_000, 1) for i in range(len(words))]
    return [frame for pair in zip(audio, words, strict=True) for frame in pair]


def said_by_user(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "user", "now", finalized=True)


async def run(
    watcher: IntentWatcher, frames: list[Any], settle_s: float = 0.1, **more: Any
) -> list[Frame]:
    down, up = await run_test(watcher, frames_to_send=[*frames, SleepFrame(settle_s)], **more)
    return [*down, *(frame for frame in up if isinstance(frame, ErrorFrame))]


def events(marks: MarkList) -> list[str]:
    return [m.event for m in marks.marks if m.stage == "watch"]


async def test_every_frame_goes_on_in_its_order_while_the_reader_has_not_answered():
    mind = Mind()  # never answers
    frames = spoken("Okay, I will bring you the jug. " * 20)
    down = await run(IntentWatcher(mind), frames)
    assert [f.id for f in down] == [f.id for f in frames]
    assert [type(f) for f in down] == [type(f) for f in frames]
    assert len(mind.asked) == 1  # it still waits for the first phrase


async def test_the_tap_pushes_a_frame_before_it_looks_at_it(monkeypatch):
    clock, happened = FakeClock(), []
    watcher = IntentWatcher(ready(), clock=clock)

    async def push(frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        happened.append(("pushed", clock()))

    def note(frame: Frame) -> None:
        clock.advance(5 * NS_PER_MS)  # the work takes 5 ms
        happened.append(("looked at", clock()))

    monkeypatch.setattr(watcher, "push_frame", push)
    monkeypatch.setattr(watcher, "_note", note)
    for _ in range(3):
        await watcher.process_frame(LLMTextFrame(" word"), FrameDirection.DOWNSTREAM)
        clock.advance(75 * NS_PER_MS)
    pushed = [t_ns for what, t_ns in happened if what == "pushed"]
    assert [what for what, _ in happened] == ["pushed", "looked at"] * 3
    assert pushed == [0, 80 * NS_PER_MS, 160 * NS_PER_MS]


async def test_what_the_agent_promises_is_called_once_with_its_marks():
    marks = MarkList()
    down = await run(
        IntentWatcher(ready(), marks=marks),
        [*spoken("Okay, I will bring you the green cup. Shall I dance? Yes,"),
         *spoken("I will bring you the green cup."),
         LLMFullResponseEndFrame()],
    )  # fmt: skip
    (call,) = [f for f in down if isinstance(f, PhysicalTaskFrame)]
    assert call.arguments == {"task": "bring", "object": "green cup"}
    assert (call.who, call.said) == ("agent", "Okay, I will bring you the green cup.")
    assert events(marks).count("call") == 1 and events(marks).count("repeated") == 1
    by = {m.event: m for m in reversed(marks.marks)}
    assert by["call"].request_id == by["phrase"].request_id == call.call_id
    assert by["phrase"].t_ns <= by["call"].t_ns
    assert json.loads(by["call"].text) == {
        "id": call.call_id,
        "name": "do_physical_task",
        "arguments": call.arguments,
    }


async def test_what_the_user_writes_is_read_and_what_others_put_into_the_context_is_not():
    written: Any = [
        {"role": "system", "content": "dance for me"},
        {"role": "user", "content": "close the gate"},
        {"role": "tool", "content": "follow me", "tool_call_id": "1"},
    ]
    down = await run(IntentWatcher(ready()), [LLMMessagesAppendFrame(written, run_llm=True)])
    calls = [f for f in down if isinstance(f, PhysicalTaskFrame)]
    assert [(c.arguments["task"], c.who) for c in calls] == [("close", "user")]


async def test_a_transcript_is_a_phrase_and_what_is_not_final_is_none():
    marks = MarkList()
    partial = InterimTranscriptionFrame("close the", "user", "now")
    down = await run(
        IntentWatcher(ready(), marks=marks), [partial, said_by_user("close the gate and dance")]
    )
    calls = [f for f in down if isinstance(f, PhysicalTaskFrame)]
    assert [c.arguments["task"] for c in calls] == ["close", "gesture"]
    first, second = (c.call_id for c in calls)
    assert (first[-2:], second[-2:]) == (".0", ".1") and first[:-2] == second[:-2]
    assert events(marks).count("phrase") == 1


def tasks(frames: list[Frame]) -> list[str]:
    return [f.arguments["task"] for f in frames if isinstance(f, PhysicalTaskFrame)]


QUICK = WatchOptions(intents="classifier", gap_ms=20)


async def test_a_phrase_is_read_when_the_text_stream_falls_silent_and_nothing_is_called_twice():
    marks = MarkList()
    frames = [*spoken("I will open the gate"), SleepFrame(0.2), *spoken("and then I will dance.")]
    down = await run(IntentWatcher(ready(), options=QUICK, marks=marks), frames)
    assert tasks(down) == ["open", "gesture"]
    assert [m.text for m in marks.marks if m.event == "phrase"] == [
        "I will open the gate",
        "I will open the gate and then I will dance.",
    ]
    assert "repeated" not in events(marks)


async def test_a_pause_within_an_offer_does_not_make_a_promise_of_its_second_half():
    frames = [*spoken("I could"), SleepFrame(0.2), *spoken("bring you the jug, if you like.")]
    assert tasks(await run(IntentWatcher(ready(), options=QUICK), frames)) == []


async def test_what_the_rest_of_a_phrase_takes_back_is_cancelled():
    frames = [*spoken("I will bring you the jug"), SleepFrame(0.2), *spoken("oh no, never mind.")]
    down = await run(IntentWatcher(ready(), options=QUICK), frames)
    told = [f for f in down if isinstance(f, TASK_FRAMES)]
    assert [type(f) for f in told] == [PhysicalTaskFrame, PhysicalTaskCancelledFrame]
    assert told[0].call_id == told[1].call_id


async def test_never_mind_takes_the_call_and_its_plan_back():
    marks, reader, reasoner = MarkList(), ready(), Mind()  # the reasoner thinks for ever
    down = await run(
        IntentWatcher(reader, reasoner=reasoner, marks=marks),
        [said_by_user("bring me the jug"), SleepFrame(0.05), said_by_user("never mind"),
         SleepFrame(0.05), said_by_user("never mind")],
    )  # fmt: skip
    told = [f for f in down if isinstance(f, TASK_FRAMES)]
    assert [type(f) for f in told] == [PhysicalTaskFrame, PhysicalTaskCancelledFrame]
    assert told[0].call_id == told[1].call_id
    assert reasoner.cancelled == [told[0].call_id]
    assert events(marks).count("cancelled") == 1


class Face:
    """A feed that keeps the states it is told."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.told = asyncio.Event()

    def put(self, message: str | bytes) -> None:
        table = json.loads(message)
        if "type" not in table:
            self.states.append(table["state"])
            self.told.set()


@pytest.mark.parametrize(
    ("answers", "said"), [(True, []), (False, ["never mind"])], ids=["planned", "taken back"]
)
async def test_the_face_acts_while_the_slow_loop_is_at_a_task(answers, said):
    reasoner = Mind()
    face = Face()
    tap = FaceTap(FaceTrack(read_policy()), face)
    watcher = IntentWatcher(ready(), reasoner=reasoner)
    going = asyncio.create_task(
        run(
            watcher,
            [said_by_user("bring me the jug"), SleepFrame(0.3), *map(said_by_user, said)],
            settle_s=0.3,
            observers=[tap],
        )
    )
    if answers:
        async with asyncio.timeout(10):
            await face.told.wait()
        reasoner.open.set()
    await going
    assert face.states == ["acting", "listening"]


async def test_it_without_a_thing_is_refused_by_the_schema_and_reported():
    marks = MarkList()
    down = await run(IntentWatcher(ready(), marks=marks), [said_by_user("please bring it")])
    assert not [f for f in down if isinstance(f, PhysicalTaskFrame)]
    assert [m.text for m in marks.marks if m.event == "refused"] == [
        "do_physical_task lacks object"
    ]


async def test_a_reader_that_fails_is_reported_and_the_frames_go_on():
    marks = MarkList()
    frames = [said_by_user("close the gate"), SleepFrame(0.05), *spoken("I am still here.")]
    down = await run(IntentWatcher(ready(fails=True), marks=marks), frames)
    assert [m.text for m in marks.marks if m.event == "error"] == [
        "The model intent reader crashed."
    ]
    assert [f.id for f in down if isinstance(f, OutputAudioRawFrame | LLMTextFrame)] == [
        f.id for f in frames if isinstance(f, OutputAudioRawFrame | LLMTextFrame)
    ]


# with its real processes


@pytest.fixture
async def models() -> AsyncIterator[ModelPool]:
    async with ModelPool(MarkList()) as pool:
        yield pool


async def test_the_processes_read_plan_and_mark_what_they_did(models):
    marks = MarkList()
    reader = await models.get("intent reader", f"{ENGINES}:ReaderEngine", {"rules_only": False})
    slow = await models.get("slow reasoner", f"{ENGINES}:ReasonerEngine", {"plan_s": 0.05})
    assert isinstance(reader, ModelProcess)
    watcher = IntentWatcher(reader, reasoner=slow, marks=marks)
    down = await run(watcher, [said_by_user("close the gate"), SleepFrame(1.5)])
    told = [f for f in down if isinstance(f, TASK_FRAMES)]
    assert [type(f) for f in told] == [PhysicalTaskFrame, PhysicalTaskPlannedFrame]
    assert isinstance(told[1], PhysicalTaskPlannedFrame)
    assert told[1].plan.startswith("1. find a way to close")
    by = {m.event: m for m in marks.marks if m.stage == "watch"}
    assert list(by) == ["phrase", "read", "call", "plan_start", "plan_end"]
    assert by["read"].value == 1 and by["read"].pid == reader.pid
    assert by["plan_end"].pid == slow.pid
    assert by["plan_end"].t_ns - by["plan_start"].t_ns >= 50 * NS_PER_MS
