"""One conversation: its states, its events, its fillers, and what is left when a model fails."""

import asyncio
import dataclasses

import numpy as np
import pytest

from pipelines.clock import NS_PER_MS, FakeClock
from pipelines.errors import LabError
from pipelines.server.session import session
from pipelines.server.session import states as rules
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.conversation import Session
from pipelines.server.session.doubles import Clerk, Passthrough, tone
from pipelines.server.session.events import (
    NAMES,
    AssistantPartial,
    AudioOut,
    Closed,
    Command,
    Context,
    Control,
    Failure,
    Interruption,
    LatencyMark,
    Memory,
    ToolCall,
    ToolOutput,
    TurnEnd,
    UserText,
)
from pipelines.server.session.first_audio import FirstAudio, is_audible
from pipelines.server.session.log import Tape
from pipelines.server.session.states import SessionError, checked
from pipelines.server.session.step import StepBackend

FRAME = bytes(2 * 1920)


class Scripted:
    """A backend that says what the test says."""

    def __init__(self, fails=""):
        self.capabilities = Capabilities("scripted", 24_000, 24_000, inputs=("audio", "context"))
        self.heard = []
        self.given = []
        self.stopped = 0
        self.emit = None
        self._fails = fails

    async def start(self, emit):
        if self._fails:
            raise LabError(self._fails)
        self.emit = emit

    def push(self, chunk):
        self.heard.append(chunk)

    async def send(self, given):
        self.given.append(given)

    async def stop(self):
        self.stopped += 1


class Kept:
    """A log that keeps in memory."""

    keeps = True

    def __init__(self):
        self.got = []

    def keep(self, conversation):
        self.got.append(conversation)


async def gathered(talk):
    return [event async for event in talk.events()]


def states(events):
    return [e.value for e in events if isinstance(e, Control) and e.name == "state"]


def test_every_state_ends_in_closed_and_nothing_follows_it():
    assert rules.NEXT["closed"] == ()
    assert all("closed" in after for state, after in rules.NEXT.items() if state != "closed")
    with pytest.raises(SessionError, match="a session that is idle can't be speaking"):
        checked("idle", "speaking")
    with pytest.raises(SessionError, match="nothing may follow"):
        checked("closed", "listening")


def test_events_are_frozen_records_and_each_has_a_name_on_the_wire():
    assert len(set(NAMES.values())) == len(NAMES) == 17
    for kind in NAMES:
        assert dataclasses.is_dataclass(kind)
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            object.__new__(kind).__setattr__("t_ns", 1)


async def test_a_step_model_answers_frame_by_frame_and_the_session_walks_through_its_states():
    async with session("passthrough") as talk:
        talk.push(tone(5_000)[:1000])
        talk.push(tone(5_000)[1000:] + FRAME[:10])  # cut anywhere
        events = []
        async for event in talk.events():
            events.append(event)
            if isinstance(event, AudioOut):
                break
        await talk.stop("enough")
    events += await gathered(talk)
    assert states(events)[:3] == ["starting", "listening", "speaking"]
    assert states(events)[-2:] == ["draining", "closed"]
    (audio,) = [e for e in events if isinstance(e, AudioOut)]
    assert (audio.pcm, audio.sequence, audio.channels) == (tone(5_000), 0, 1)
    assert isinstance(events[-1], Closed) and events[-1].reason == "enough"


async def test_a_function_is_called_its_wait_is_filled_and_its_result_is_said():
    async with session("clerk") as talk:
        talk.push(tone(9_000))
        events = talk.events()
        call = await anext(e async for e in events if isinstance(e, ToolCall))
        assert (call.name, call.arguments) == ("look_up", {"what": "the red cup"})
        await talk.send(ToolOutput(call.call_id, "on the table"))
        audio = []
        async for event in events:
            if isinstance(event, AudioOut):
                audio.append(event)
            elif isinstance(event, AssistantPartial):
                assert event.text == "on the table"
            if len(audio) == 2:
                break
        assert [chunk.is_filler for chunk in audio] == [True, False]
        with pytest.raises(SessionError, match="clerk takes no text: it takes audio, tool_result"):
            await talk.send(UserText("hello"))


def test_a_filler_is_not_the_first_audio():
    first = FirstAudio()
    ms = NS_PER_MS
    assert first.hear(AudioOut(5 * ms, 0, 24_000, tone(5_000))) is None  # nobody waits
    first.user_stopped(100 * ms)
    filler = AudioOut(150 * ms, 1, 24_000, tone(5_000), is_filler=True)
    assert first.hear(filler) == LatencyMark(150 * ms, "first_filler", 50.0)
    assert first.hear(filler) is None
    answer = AudioOut(420 * ms, 2, 24_000, tone(5_000))
    assert first.hear(answer) == LatencyMark(420 * ms, "first_audio", 320.0)
    assert first.hear(answer) is None
    first.user_stopped(1_000 * ms)
    first.user_started()
    assert first.hear(answer) is None


def test_what_is_heard_begins_at_minus_50_dbfs():
    assert not is_audible(b"") and not is_audible(np.full(9, 103, np.int16).tobytes())
    assert is_audible(np.array([0, -104], np.int16).tobytes())


async def test_an_interruption_ends_the_agent_s_turn_and_what_was_unheard_is_off_the_tape():
    clock, backend, log = FakeClock(), Scripted(), Kept()
    from pipelines.spec import load_spec

    talk = Session(backend, spec=load_spec("click"), log=log, clock=clock, door="test")
    async with talk:
        backend.emit(AudioOut(0, 0, 24_000, tone(5_000)))
        backend.emit(AudioOut(0, 1, 24_000, tone(5_000)))  # heard from 80 ms on
        clock.advance(100 * NS_PER_MS)
        backend.emit(Interruption(clock(), 1))
        backend.emit(Interruption(clock(), 2))  # the user goes on: nobody is interrupted
        talk.push(tone(7_000), due_ns=clock())
        await talk.stop()
    events = await gathered(talk)
    at = next(i for i, e in enumerate(events) if isinstance(e, Interruption))
    assert events[at + 1] == TurnEnd(100 * NS_PER_MS, "agent")
    assert [e.spoke for e in events if isinstance(e, Interruption)] == [True, False]
    assert states(events)[1:4] == ["listening", "speaking", "listening"]
    (kept,) = log.got
    assert (kept.rate_hz, kept.door, kept.failed, kept.name) == (24_000, "test", False, talk.name)
    assert np.count_nonzero(kept.stereo[:, 1]) == 2_400  # 100 ms of 160 were heard
    assert np.flatnonzero(kept.stereo[:, 0])[0] == 480  # the user's 80 ms end at 100 ms
    assert not any(isinstance(event, AudioOut) for event in kept.events)


def test_a_late_piece_of_the_user_s_leaves_silence_and_jitter_leaves_none():
    tape = Tape(1_000, 1_000, 0)
    from pipelines.server.session.events import AudioIn

    piece = np.full(20, 9, np.int16).tobytes()
    for k, due_ms in enumerate((20, 47, 60, 500)):
        tape.hear_user(AudioIn(k, due_ms * NS_PER_MS, piece))
    user = tape.stereo()[:, 0]
    assert np.flatnonzero(user).tolist() == [*range(60), *range(480, 500)]


async def test_a_fatal_error_closes_the_session_with_its_sentence():
    backend = Scripted()
    talk = Session(backend)
    async with talk:
        backend.emit(Failure(1, "The model m crashed.", fatal=True))
        events = await gathered(talk)
    assert [type(e) for e in events[-4:]] == [Failure, Control, Control, Closed]
    assert events[-1].reason == "The model m crashed." and backend.stopped == 1
    talk.push(FRAME)  # too late: dropped
    assert backend.heard == []


async def test_a_backend_that_can_t_be_started_is_an_error_and_a_closed_session():
    talk = Session(Scripted(fails="There is no such file."))
    with pytest.raises(LabError, match="There is no such file"):
        await talk.start()
    assert talk.state == "closed"
    assert (await gathered(talk))[-1].reason == "There is no such file."


async def test_a_step_model_that_raises_ends_its_conversation_in_a_sentence():
    class Broken(Passthrough):
        def step(self, pcm):
            raise ValueError("no such frame")

    async with Session(StepBackend(Broken())) as talk:
        talk.push(FRAME)
        events = await gathered(talk)
    assert events[-1].reason == "passthrough failed: ValueError: no such frame."


async def test_a_reader_that_does_not_keep_up_ends_the_session(monkeypatch):
    from pipelines.server.session import conversation

    monkeypatch.setattr(conversation, "MOST_WAITING", 10)
    backend = Scripted()
    async with Session(backend) as talk:
        for k in range(20):
            backend.emit(AudioOut(0, k, 24_000, FRAME))
        await talk.over.wait()
    assert (await gathered(talk))[-1].reason.startswith("whoever reads")


async def test_facts_reach_the_backend_and_are_an_event():
    backend = Scripted()
    async with Session(backend) as talk:
        await talk.send(Context("memory", "The user prefers short answers."))
        assert backend.given == [Context("memory", "The user prefers short answers.")]
        await talk.stop()
        with pytest.raises(SessionError, match="a session that is closed takes no input"):
            await talk.send(Command("interrupt"))
    (memory,) = [e for e in await gathered(talk) if isinstance(e, Memory)]
    assert memory.injected == ("The user prefers short answers.",)


async def test_a_session_that_has_not_started_hears_nothing_and_half_samples_are_refused():
    talk = Session(Scripted())
    with pytest.raises(SessionError, match="start it first"):
        talk.push(FRAME)
    async with talk:
        with pytest.raises(SessionError, match="3 bytes are no whole number"):
            talk.push(b"abc")


async def test_stopping_lets_the_agent_finish_what_it_says():
    clock, backend = FakeClock(), Scripted()
    async with Session(backend, clock=clock) as talk:
        backend.emit(AudioOut(0, 0, 24_000, tone(5_000)))  # heard for 80 ms
        stopping = asyncio.create_task(talk.stop("bye", grace_s=60))
        await asyncio.sleep(0.2)
        assert (talk.state, backend.stopped) == ("draining", 0)
        clock.advance(80 * NS_PER_MS)
        await stopping
    assert (backend.stopped, (await gathered(talk))[-1]) == (1, Closed(80 * NS_PER_MS, "bye"))


def test_the_clerk_needs_a_loud_frame():
    clerk = Clerk()
    assert clerk.step(FRAME).calls == () and clerk.step(tone(-9_000)).calls != ()
