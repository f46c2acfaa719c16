"""A user of a duplex model is overheard by a recogniser of ours, and the model is made to speak."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.fixtures.library import fixtures_root, load, read_pcm
from pipelines.clock import NS_PER_S
from pipelines.errors import LabError
from pipelines.marks import NoMarks
from pipelines.process.process import ModelProcess
from pipelines.server.memory.disk.owner import everything, read
from pipelines.server.memory.listener import MOST_WAITING, Listener
from pipelines.server.memory.memories import Memories
from pipelines.server.memory.options import MemoryOptions
from pipelines.server.memory.remembering import RememberingBackend
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioIn, Control, Failure, Memory, Say
from tests.pipelines.server.memory.remembered import Calendar

ROOT = Path(__file__).parents[4]
RATE_HZ = 16_000
CHUNK = 320
CAN = Capabilities("double", RATE_HZ, RATE_HZ, inputs=("audio", "say"), full_duplex=True)


class Duplex:
    """A duplex model's pipeline whose VAD knows the labels: it notes what it is to say."""

    capabilities = CAN

    def __init__(self):
        self.said: list[str] = []
        self.emit = None

    async def start(self, emit):
        self.emit = emit

    def push(self, chunk):
        pass

    async def send(self, given):
        assert isinstance(given, Say)
        self.said.append(given.text)

    async def stop(self):
        pass


def spoken(name, talk, model, start_ns):
    """A recorded user speaks, faster than time: only the times of the samples are real."""
    (turn,) = load(fixtures_root() / f"{name}.toml").turns
    pcm = np.concatenate([np.zeros(8_000, np.int16), read_pcm(turn), np.zeros(8_000, np.int16)])
    on_ns, off_ns = start_ns + NS_PER_S // 2, start_ns + (len(pcm) - 8_000) * NS_PER_S // RATE_HZ
    told = [False, False]
    for first in range(0, len(pcm), CHUNK):
        due_ns = start_ns + (first + CHUNK) * NS_PER_S // RATE_HZ
        talk.push(pcm[first : first + CHUNK].tobytes(), due_ns=due_ns)
        for k, (at_ns, value) in enumerate(((on_ns, "true"), (off_ns, "false"))):
            if due_ns > at_ns + NS_PER_S // 4 and not told[k]:
                told[k] = True
                model.emit(Control(at_ns, "user_speaking", value))
    assert told == [True, True]
    return due_ns


async def until(check):
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.timeout(180)
async def test_a_duplex_model_is_made_to_say_what_its_user_told_another_time(tmp_path):
    house = Memories(
        MemoryOptions(folder=tmp_path, listener_lm="domain", relevance=0.3), Calendar()
    )
    house.start()
    await house.listen()
    try:
        pid = house.recogniser.pid
        if sys.platform == "linux":
            assert os.sched_getscheduler(pid) == os.SCHED_IDLE
        memory = house.of("ada", "before")
        memory.keep("user", "I always put the green cup on the shelf.").result(10)
        model = Duplex()
        talk = Session(
            RememberingBackend(CAN, lambda before: model, house.of("ada", "now"), lambda s: None)
        )
        async with talk:
            spoken("cmd_bring_green_cup", talk, model, 10 * NS_PER_S)
            await until(lambda: model.said)
            spoken("cmd_bring_green_cup", talk, model, 20 * NS_PER_S)
            talk.push(bytes(2 * CHUNK), due_ns=25 * NS_PER_S)
            events = talk.take_events()
            (event,) = [e for e in events if isinstance(e, Memory)]
            assert event.injected == ("I always put the green cup on the shelf.",)
            assert model.said == ["you always put the green cup on the shelf."]
            assert not [e for e in events if isinstance(e, Failure)]
    finally:
        await house.aclose()  # the second is still being understood
    none: list[dict[str, Any]] = []
    rows = read(tmp_path, "ada", lambda connection: list(everything(connection)), none)
    overheard = [row["text"] for row in rows if row["source"] == "listener"]
    assert len(overheard) == 2 and all("green cup" in text for text in overheard)
    assert model.said == ["you always put the green cup on the shelf."]


class Slow(ModelProcess):
    """A recogniser that never answers."""

    def __init__(self, error=None):
        super().__init__("slow", "none:None", marks=NoMarks())
        self.asked = 0
        self._error = error

    async def ensure_running(self):
        self.asked += 1
        if self._error:
            raise LabError(self._error)
        await asyncio.Event().wait()


def utterances(listener, count):
    for k in range(count):
        begin_ns = k * NS_PER_S
        listener.push(AudioIn(k, begin_ns + NS_PER_S, bytes(2 * RATE_HZ)))
        listener.speaking(Control(begin_ns, "user_speaking", "true"))
        listener.speaking(Control(begin_ns + NS_PER_S // 2, "user_speaking", "false"))


async def test_a_recogniser_that_does_not_keep_up_misses_the_oldest_and_holds_nobody_up():
    slow = Slow()
    listener = Listener(slow, RATE_HZ, pytest.fail, pytest.fail)
    utterances(listener, 1)
    await asyncio.sleep(0)
    while not slow.asked:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    utterances(listener, MOST_WAITING + 3)
    assert listener.missed == 3
    listener._work.cancel()


async def test_a_recogniser_that_fails_is_told_for_each_utterance_and_ends_nothing():
    told: list[str] = []
    listener = Listener(Slow("it crashed"), RATE_HZ, pytest.fail, told.append)
    utterances(listener, 2)
    await listener.finish()
    assert told == ["it crashed", "it crashed"]


async def test_an_utterance_that_nobody_ended_is_heard_when_the_conversation_ends():
    told: list[str] = []
    listener = Listener(Slow("x"), RATE_HZ, pytest.fail, told.append)
    listener.push(AudioIn(0, NS_PER_S, bytes(2 * RATE_HZ)))
    await listener.finish()
    assert told == []
    listener.speaking(Control(NS_PER_S // 2, "user_speaking", "true"))
    await listener.finish()
    assert told == ["x"]


@pytest.mark.skipif(sys.platform != "linux", reason="the idle class is Linux's")
def test_an_idle_process_has_the_lowest_priority_there_is():
    check = (
        "import os; from pipelines.process.idle import step_back; step_back(); "
        "print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "19 True\n"
