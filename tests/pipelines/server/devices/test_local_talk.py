"""A conversation by this machine's microphone and speaker, on a card whose time the test moves."""

import asyncio
import contextlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.server.devices.card import Device, DeviceError, chosen
from pipelines.server.devices.doubles import ROOM, FakeCard, NullCard
from pipelines.server.devices.playback import Playback
from pipelines.server.devices.portaudio import PortAudio
from pipelines.server.devices.second import WithSecond, of_file
from pipelines.server.devices.talk import ends, talk_here
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioOut, Closed, Interruption, TurnEnd
from pipelines.spec import load_spec

MS = NS_PER_MS
LEVEL = 0.25
INT16 = 8_192
"""The same as int16."""


class Agent:
    """A backend that says what the test says, and keeps what it hears."""

    def __init__(self, in_rate_hz=24_000, out_rate_hz=24_000):
        self.capabilities = Capabilities("agent", in_rate_hz, out_rate_hz)
        self.heard = []

    async def start(self, emit):
        self.emit = emit

    def push(self, chunk):
        self.heard.append(chunk)

    async def send(self, given):
        pass

    async def stop(self):
        pass

    def say(self, ms, level, t_ns=0):
        samples = self.capabilities.out_rate_hz * ms // 1000
        pcm = np.full(samples, level, np.int16).tobytes()
        self.emit(AudioOut(t_ns, 0, self.capabilities.out_rate_hz, pcm))

    @property
    def pcm(self):
        return np.frombuffer(b"".join(c.pcm for c in self.heard), np.int16)


class Kept:
    keeps = True

    def __init__(self):
        self.got = []

    def keep(self, conversation):
        self.got.append(conversation)


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def talking(agent, card, where=None, **more):
    """A talk on a card, ended with the block; gives the events that were told."""
    log = more.pop("log", None)
    talk = Session(agent, clock=card.clock, log=log, **more)
    told: list = []
    async with talk:
        task = asyncio.create_task(
            talk_here(talk, card, where or ends(card), told.append, log, card.clock)
        )
        await settled()
        try:
            yield told
        finally:
            await talk.stop()
            await task


async def test_what_the_microphone_hears_reaches_the_session_block_by_block_with_its_time():
    agent, card = Agent(), FakeCard()
    async with talking(agent, card) as told:
        assert card.open_devices == {"Room microphone", "Room speaker"}
        card.advance(LEVEL, 3)
        await settled()
        assert [c.due_ns for c in agent.heard] == [10 * MS, 20 * MS, 30 * MS]
        assert agent.pcm.tolist() == [INT16] * 720
    assert card.open_devices == set() and isinstance(told[-1], Closed)


async def test_the_agent_s_audio_is_played_in_order_and_an_interruption_drops_what_waits():
    agent, card = Agent(), FakeCard()
    async with talking(agent, card):
        agent.say(15, INT16)
        agent.say(15, -INT16)
        await settled()
        card.advance(blocks=2)
        agent.emit(Interruption(card.clock(), 1))
        await settled()
        card.advance()
    first, second, third = card.played
    assert (first == LEVEL).all() and not third.any()
    assert (second[:120] == LEVEL).all() and (second[120:] == -LEVEL).all()


async def test_a_half_duplex_device_hears_nobody_while_it_speaks_and_its_cool_down_after():
    agent, card = Agent(), FakeCard(echo=1.0)
    async with talking(agent, card, ends(card, cool_down_ms=40)):
        card.advance(LEVEL)
        agent.say(20, INT16)
        await settled()
        for _ in range(8):
            card.advance(LEVEL)
            await settled()
    by_block = [bool(np.frombuffer(c.pcm, np.int16).any()) for c in agent.heard]
    # 1 open, 2 while it sounds, 4 of cool-down, in the first of which its echo was, 2 open
    assert by_block == [True, *[False] * 6, True, True]
    assert agent.pcm[-480:].tolist() == [INT16] * 480


async def test_a_full_duplex_device_hears_its_own_echo():
    agent, card = Agent(), FakeCard(echo=1.0)
    async with talking(agent, card):
        agent.say(20, INT16)
        await settled()
        for _ in range(4):
            card.advance()
            await settled()
    assert [int(np.frombuffer(c.pcm, np.int16)[0]) for c in agent.heard] == [0, INT16, INT16, 0]


async def test_rates_of_card_and_session_may_differ_and_the_delay_of_the_filter_is_in_the_time():
    agent, card = Agent(in_rate_hz=16_000, out_rate_hz=22_050), FakeCard()
    async with talking(agent, card) as told:
        card.advance(LEVEL, 100)
        agent.say(200, INT16)
        agent.emit(Interruption(card.clock(), 1))  # what the resampler holds is dropped with it
        agent.say(100, INT16)
        agent.emit(TurnEnd(card.clock(), "agent"))  # and here it is said
        await settled()
        card.advance(blocks=20)
        await settled()
    assert len(agent.pcm) == 16_000 + 3_200 and set(agent.pcm[8_000:15_900].tolist()) == {INT16}
    delay_ms = (1_000 * MS - agent.heard[99].due_ns) / MS
    assert 1 < delay_ms < 4
    said = np.concatenate(card.played[-20:])
    loud = np.flatnonzero(said > LEVEL / 2)
    assert 2_395 <= len(loud) == loud[-1] - loud[0] + 1 <= 2_405  # 100 ms at 24 kHz
    assert isinstance(told[-1], Closed)


async def test_a_second_source_is_kept_beside_the_recording_and_the_agent_does_not_hear_it():
    agent, card, kept = Agent(), FakeCard(), Kept()
    log = WithSecond(kept)
    where = ends(card, microphone="Room micro", second="monitor")
    async with talking(agent, card, where, log=log, spec=load_spec("click")):
        assert "Monitor of the room" in card.open_devices
        card.advance(LEVEL, 20)
        agent.say(10, 3_000, card.clock())
        await settled()
        card.advance(LEVEL, 20)
        await settled()
    (conversation,) = kept.got
    second = conversation.second
    assert len(second) == len(conversation.stereo) == 9_600  # 400 ms at 24 kHz, from 48 kHz
    assert abs(int(second[4_800]) - INT16) <= 1
    assert conversation.stereo[4_800:, 1].any() and not (second == 3_000).any()


async def test_a_file_as_second_source_begins_with_the_talk(tmp_path):
    import soundfile

    path = tmp_path / "radio.wav"
    soundfile.write(path, np.full(4_800, INT16, np.int16), 24_000)
    agent, card, kept = Agent(), FakeCard(), Kept()
    card.clock.advance(5 * NS_PER_S)
    log = WithSecond(kept)
    async with talking(agent, card, ends(card, second=str(path)), log=log, spec=load_spec("click")):
        card.advance(LEVEL, 40)
        await settled()
    second = kept.got[0].second
    assert second[:4_800].tolist() == [INT16] * 4_800 and not second[4_800:].any()
    path.write_text("no audio")
    with pytest.raises(DeviceError, match=r"radio\.wav: can't be read as audio"):
        of_file(path, 0)


async def test_a_device_that_is_unplugged_ends_the_conversation_with_a_sentence():
    agent, card = Agent(), FakeCard()
    async with talking(agent, card) as told:
        card.unplug("Room microphone")
        await settled()
        await asyncio.sleep(0.05)
        assert told[-1] == Closed(0, "the device Room microphone has gone")


async def test_a_device_that_gives_audio_faster_than_time_passes_is_no_microphone():
    agent, card = Agent(), FakeCard()
    async with talking(agent, card) as told:
        _, take = card._takes["Room microphone"]
        for _ in range(1_000):  # 10 s in no time: most is left out before anybody looks
            take(np.zeros(240, np.float32), 0)
        await settled()
        card.clock.advance(500 * MS)
        for _ in range(60):
            take(np.zeros(240, np.float32), 0)
        await asyncio.sleep(0.05)
    assert len(agent.heard) == 250  # 2 s ahead of half a second
    assert told[-1].reason == "the microphone gives audio faster than time passes: it is none"


async def test_where_no_microphone_is_asked_for_none_is_opened():
    agent, card = Agent(), FakeCard()
    async with talking(agent, card, ends(card, hears=False)):
        assert card.open_devices == {"Room speaker"}
        card.advance(LEVEL)
        await settled()
    assert agent.heard == []


def test_silence_is_left_out_where_more_than_200_ms_wait_and_sound_never():
    sounds = []
    queue = Playback(1_000, lambda *times: sounds.append(times))
    queue.put(np.full(200, LEVEL, np.float32))
    queue.put(np.zeros(50, np.float32))
    queue.put(np.full(50, LEVEL, np.float32))
    assert queue.waiting_ms == 250
    assert (queue.fill(300, 7 * MS)[:250] == np.float32(LEVEL)).all()
    assert sounds == [(7 * MS, 257 * MS)] and queue.waiting_ms == 0


def test_devices_are_chosen_by_number_by_name_or_by_a_part_of_it():
    assert chosen(ROOM, "", "input").name == "Room microphone"
    assert chosen(ROOM, "2", "input") is chosen(ROOM, "monitor", "input") is ROOM[2]
    assert chosen(ROOM[2:], "", "input") is ROOM[2]  # the first where there is no default
    for wanted, side, said in (
        ("9", "input", "--input 9: there is no such microphone; there are: 0 Room microphone, 2"),
        ("Room speakr", "output", r"no such speaker \(did you mean 'Room speaker'\?\)"),
        ("room", "second", "--second room: several devices are called so: 0 Room .*, 2 Monitor"),
    ):
        with pytest.raises(DeviceError, match=said):
            chosen(ROOM, wanted, side)


def test_a_machine_without_a_sound_card_is_refused_in_a_sentence():
    with pytest.raises(DeviceError, match="This machine has no microphone: connect one"):
        ends(NullCard())
    with pytest.raises(DeviceError, match="This machine has no speaker"):
        chosen([Device(0, "mic", 1, 0, 48_000)], "", "output")


class Library:
    """The package sounddevice, as far as it is used, with one microphone that can't be opened."""

    class PortAudioError(Exception):
        pass

    default = SimpleNamespace(device={"input": 0, "output": -1})

    def __init__(self):
        self.asked = []

    def query_devices(self):
        row = {"name": "mic", "max_input_channels": 2, "max_output_channels": 0}
        return [{**row, "default_samplerate": 44_100.0}]

    def InputStream(self, **given):  # noqa: N802
        self.asked.append((given["samplerate"], given["channels"], given["blocksize"]))
        if given["samplerate"] == 24_000:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        return Stream(given)


class Stream:
    def __init__(self, given):
        self.given = given
        self.closed = False

    def start(self):
        time = SimpleNamespace(currentTime=5.0, inputBufferAdcTime=4.98)
        data = np.column_stack((np.full(441, 0.5, np.float32), np.zeros(441, np.float32)))
        data[0] = np.nan, np.inf  # a driver's nonsense: 0 and 1
        self.given["callback"](data, 441, time, None)

    def close(self):
        self.given["finished_callback"]()
        self.closed = True


def test_a_device_without_24_khz_is_opened_at_its_own_rate_and_channels_become_one(monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    card = PortAudio()
    (device,) = card.devices()
    assert device == Device(0, "mic", 2, 0, 44_100, "input")
    blocks: list = []
    lost: list = []
    with card.microphone(device, lambda *block: blocks.append(block), lost.append) as rate_hz:
        assert rate_hz == 44_100
    assert library.asked == [(24_000, 1, 240), (24_000, 2, 240), (44_100, 1, 441)]
    ((pcm, _),) = blocks
    assert pcm.shape == (441,) and pcm[0] == 0.5 and (pcm[1:] == 0.25).all()
    assert lost == []  # it was closed, and not unplugged


def test_without_the_package_or_the_library_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match=r"pip install 'duplex-lab\[local\]'"):
        PortAudio()

    def missing(name, *args, **more):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *args, **more)

    real = __import__
    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr("builtins.__import__", missing)
    with pytest.raises(DeviceError, match="apt install libportaudio2"):
        PortAudio()
