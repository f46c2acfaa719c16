"""A spoken conversation with a real cascade, in code and without a network: every event it has."""

import asyncio

import numpy as np
import pytest

from bench.fixtures.library import read_pcm, select
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.server.session import session
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Closed,
    Context,
    Control,
    Interruption,
    LatencyMark,
    Memory,
    Say,
    TurnEnd,
    UserPartial,
)
from pipelines.server.session.first_audio import is_audible

pytestmark = [pytest.mark.unhurried, pytest.mark.timeout(120)]
CHUNK_S = 0.02


class Microphone:
    """The user's audio in real time: silence, or what they say."""

    def __init__(self, talk):
        self._talk = talk
        self._size = round(CHUNK_S * talk.in_rate_hz)
        self._left = np.zeros(0, np.int16)

    def say(self, name):
        (fixture,) = select(name)
        turn = fixture.turns[0]
        self._left = resample(read_pcm(turn), turn.rate_hz, self._talk.in_rate_hz)

    async def run(self):
        loop = asyncio.get_running_loop()
        began_s, k = loop.time(), 0
        while not self._talk.over.is_set():
            chunk, self._left = self._left[: self._size], self._left[self._size :]
            self._talk.push(np.pad(chunk, (0, self._size - len(chunk))).tobytes())
            k += 1
            await asyncio.sleep(began_s + k * CHUNK_S - loop.time())


class Kept:
    """A log that keeps in memory."""

    keeps = True

    def __init__(self):
        self.got = []

    def keep(self, conversation):
        self.got.append(conversation)


def is_voice(event):
    return isinstance(event, AudioOut) and is_audible(event.pcm)


@pytest.fixture(scope="module")
def played():
    """The events of one conversation, in their order, and what was kept of it.

    A filler; a question; its answer, interrupted by a second question; that one's answer.
    """
    log = Kept()

    async def play():
        events = []
        async with asyncio.timeout(60), session("cascade-embedded", log=log) as talk:
            microphone = Microphone(talk)
            speaking = asyncio.create_task(microphone.run())
            stream = talk.events()

            async def until(wanted):
                async for event in stream:
                    events.append(event)
                    if wanted(event):
                        return

            await talk.send(Say("One moment please.", is_filler=True))
            await until(lambda e: isinstance(e, TurnEnd) and e.side == "agent")
            await talk.send(Context("memory", "The user's name is Ann."))
            microphone.say("q_can_do")
            await until(is_voice)
            microphone.say("cmd_toy_car")
            await until(lambda e: isinstance(e, Interruption))
            await until(lambda e: isinstance(e, LatencyMark) and e.name == "first_audio")
            await until(lambda e: isinstance(e, TurnEnd) and e.side == "agent")
            speaking.cancel()
            await talk.stop()
            await until(lambda e: isinstance(e, Closed))
        return events

    return asyncio.run(play()), log.got


def of(played, kind):
    return [event for event in played[0] if isinstance(event, kind)]


def test_states_follow_what_is_heard(played):
    states = [e.value for e in of(played, Control) if e.name == "state"]
    assert states == [
        "starting", "listening",
        "speaking", "listening",  # the filler
        "speaking", "listening",  # the answer that was interrupted
        "speaking", "listening",
        "draining", "closed",
    ]  # fmt: skip


def test_the_user_s_speech_its_words_and_its_turns_are_told(played):
    speaks = [e.value for e in of(played, Control) if e.name == "user_speaking"]
    assert speaks[0] == "true" and speaks.count("false") >= 2
    finals = [e.text for e in of(played, UserPartial) if e.final]
    assert len(finals) >= 2 and "toy car" in finals[-1]
    assert [e.side for e in of(played, TurnEnd)].count("user") == 2


def test_a_filler_is_told_as_one_in_every_chunk_and_an_answer_in_none(played):
    events = played[0]
    asked = next(i for i, e in enumerate(events) if isinstance(e, TurnEnd) and e.side == "user")
    voiced = [(i < asked, e.is_filler) for i, e in enumerate(events) if is_voice(e)]
    assert {filler for before, filler in voiced if not before} == {False}
    assert {filler for before, filler in voiced if before} == {True}


def test_the_first_audio_is_that_of_the_answers(played):
    firsts = [e for e in of(played, LatencyMark) if e.name == "first_audio"]
    assert len(firsts) == 2 and all(0 < e.ms < 10_000 for e in firsts)
    services = {e.subject.partition("#")[0] for e in of(played, LatencyMark) if e.name == "ttfb"}
    assert {"ModelLLMService", "ModelTTSService"} <= services


def test_an_interruption_has_a_generation_and_what_is_said_later_belongs_to_it(played):
    *before, cut = [e for e in of(played, Interruption) if e.spoke]
    voices = [e for e in of(played, AudioOut) if is_audible(e.pcm)]
    assert before == []  # the user's first turn interrupted nothing
    assert max(e.generation for e in voices if e.t_ns < cut.t_ns) < cut.generation
    assert voices[-1].generation >= cut.generation
    assert [e.sequence for e in of(played, AudioOut)] == list(range(len(of(played, AudioOut))))


def test_facts_and_words_are_told_and_the_last_event_says_why(played):
    assert [e.injected for e in of(played, Memory)] == [("The user's name is Ann.",)]
    assert len("".join(e.text for e in of(played, AssistantPartial)).split()) > 3
    assert played[0][-1] == Closed(played[0][-1].t_ns, "")


def test_the_log_holds_the_recording_the_marks_and_the_events(played):
    (kept,) = played[1]
    assert (kept.door, kept.failed, kept.reason) == ("code", False, "")
    seconds = len(kept.stereo) / kept.rate_hz
    assert seconds == pytest.approx((played[0][-1].t_ns - kept.t0_ns) / NS_PER_S, abs=3)
    user, agent = (np.abs(kept.stereo[:, side].astype(np.int32)) > 500 for side in (0, 1))
    assert user.sum() > kept.rate_hz / 4 and agent.sum() > kept.rate_hz / 4
    stages = {(m.stage, m.event) for m in kept.marks}
    assert {
        ("vad", "speech_stop"),
        ("llm", "request"),
        ("tts", "request"),
        ("link", "clear"),
    } <= stages
    ends = [m.t_ns for m in kept.marks if (m.stage, m.event) == ("vad", "speech_stop")]
    assert min(ends) > kept.t0_ns + NS_PER_MS
    assert not any(isinstance(e, AudioOut) for e in kept.events)
