"""The user's audio is heard in its time: at once where it is live, later where it comes early."""

import asyncio

import pytest

from pipelines.clock import NS_PER_MS
from pipelines.server.doors import pace
from pipelines.server.doors.pace import Pace
from pipelines.server.session.conversation import Session
from pipelines.server.session.doubles import Passthrough
from pipelines.server.session.states import SessionError
from pipelines.server.session.step import StepBackend
from tests.virtual_loop import clock, in_virtual_time

RATE_HZ = 24_000


class Listener(Session):
    """Notes when it heard how much, ms."""

    in_rate_hz = RATE_HZ

    def __init__(self) -> None:
        super().__init__(StepBackend(Passthrough()))
        self.heard: list[tuple[float, float]] = []

    def push(self, pcm: bytes, due_ns: int | None = None) -> None:
        assert due_ns is not None
        self.heard.append((due_ns / NS_PER_MS, len(pcm) / 2 / RATE_HZ * 1_000))


def ms(length):
    return bytes(2 * length * RATE_HZ // 1_000)


def heard(*said):
    """What is heard of (wait ms, length ms, was_held) pieces, within 10 s."""

    async def speak():
        session = Listener()
        own = Pace(session, clock=clock)
        for wait, length, was_held in said:
            await asyncio.sleep(wait / 1_000)
            own.hear(ms(length), was_held)
        await asyncio.sleep(10)
        return [(round(at), round(length)) for at, length in session.heard]

    return in_virtual_time(speak())


def test_what_is_live_is_heard_as_it_comes_though_the_network_delivers_it_in_bursts():
    said = [(0, 80, False), (80, 80, False), (160, 80, False), (0, 80, False), (0, 80, False)]
    assert heard(*said) == [(0, 80), (80, 80), (240, 80), (240, 80), (240, 80)]


def test_a_file_that_comes_at_once_is_heard_in_real_time():
    found = heard(*[(0, 80, False)] * 20)  # 1.6 s
    assert found[:3] == [(0, 80)] * 3  # the first 80 ms, and 160 ms ahead of the clock
    # 240 ms are heard; of the other 68 pieces the last two begin up to 200 ms ahead.
    assert found[3:6] == [(0, 20), (0, 20), (0, 20)] and found[6] == (19, 20)
    assert sum(length for _, length in found) == 1_600
    assert 1_280 < found[-1][0] <= 1_300


def test_a_client_whose_clock_is_fast_is_heard_as_it_comes_all_the_same():
    fast = [(79.9, 80, False)] * 6_000  # 1,250 ppm, for 8 minutes: 600 ms ahead in the end
    heard_ms, late_ms = 0, []
    for at, length in heard(*fast):
        heard_ms += length
        if heard_ms % 80 == 0:  # the last piece of a message
            late_ms.append(at - heard_ms / 80 * 79.9)
    assert len(late_ms) == 6_000 and max(late_ms) < 21


def test_what_a_stalled_network_held_back_is_heard_at_once():
    assert heard((0, 80, False), (3_000, 2_000, False)) == [(0, 80), (3_000, 2_000)]


def test_what_was_held_back_is_heard_four_times_as_fast_however_long_ago_the_last_was():
    found = heard((0, 80, False), (8_000, 400, True))
    assert found[1] == (8_000, 20) and found[-1] == (8_095, 20) and len(found) == 21


def test_silence_goes_on_until_the_conversation_is_over_and_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(pace, "MOST_AHEAD_S", 1)

    async def speak():
        session = Listener()
        own = Pace(session, clock=clock)
        with pytest.raises(SessionError, match="1 s of audio wait to be heard"):
            own.hear(ms(1_500))
        own.end_turn()
        await asyncio.sleep(0.095)
        session.over.set()
        await asyncio.sleep(1)
        return [round(at) for at, _ in session.heard]

    assert in_virtual_time(speak()) == [0, 20, 40, 60, 80]
