"""Seats that are warm when somebody calls: how many are foreseen, and what becomes of them."""

import asyncio
import math

import pytest

from pipelines.errors import LabError
from pipelines.server.service import warm
from pipelines.server.service.demand import MEMORY_S, Demand, enough_for, expected
from pipelines.server.service.warm import Told, WarmPool, Warmth
from pipelines.spec import load_spec
from tests.virtual_loop import in_virtual_time

LOAD_S = 4.0


# the rule


def test_a_beginning_counts_less_the_older_it_is():
    assert expected([], 1_000.0, 60.0) == 0
    assert expected([1_000.0], 1_000.0, 60.0) == pytest.approx(60 / 180)
    assert expected([1_000.0 - MEMORY_S], 1_000.0, 60.0) == pytest.approx(60 / 180 / math.e)
    assert expected([1_000.0, 2_000.0], 1_000.0, 60.0) == pytest.approx(60 / 180)  # not yet


def test_seats_suffice_with_a_probability_of_95_percent():
    # Poisson: P(N ≤ 0) = 0.951 for a mean of 0.05, P(N ≤ 1) = 0.955 for 1/3, P(N ≤ 5) = 0.983 for 2
    # (P(N ≤ 4) = 0.947), P(N ≤ 15) = 0.951 for 10.
    assert [enough_for(mean) for mean in (0.0, 0.05, 1 / 3, 2.0, 10.0)] == [0, 0, 1, 5, 15]
    assert enough_for(5_000.0) == 0  # beyond what a float holds: the pool's own limit is in force


def test_seats_are_for_those_that_talk_and_those_that_will():
    demand = Demand()
    assert demand.seats(0.0, 3, 60.0) == 3
    for _ in range(6):
        demand.began(100.0)
    assert demand.seats(100.0, 2, 60.0) == 2 + 5  # six in a moment: two in the next minute
    assert demand.seats(100.0 + 5 * MEMORY_S, 0, 60.0) == 0


# the pool


class Models:
    """A seat's processes, as a pool sees them."""

    loads = 0
    fails = False

    def __init__(self, marks):
        self.pids = []
        self.warmed = self.settled = self.closed = 0

    async def settle(self):
        self.settled += 1
        return []

    async def keep_warm(self):
        self.warmed += 1
        await asyncio.sleep(0.1)

    async def aclose(self):
        self.closed += 1


async def prepare(spec, models):
    if not models.pids:
        await asyncio.sleep(LOAD_S)
        if Models.fails:
            raise LabError("There is no such file.")
        Models.loads += 1
        models.pids = [Models.loads]


@pytest.fixture(autouse=True)
def doubles(monkeypatch):
    monkeypatch.setattr(warm, "ModelPool", Models)
    monkeypatch.setattr(warm, "load_object", lambda path: prepare)
    monkeypatch.setattr(warm, "give_back", lambda: None)
    monkeypatch.setattr(Models, "loads", 0)
    monkeypatch.setattr(Models, "fails", False)


class Watched:
    """A pool, and what it tells."""

    def __init__(self, **warmth):
        self.ahead: list[str] = []
        self.told: list[str] = []
        told = Told(tell=self.told.append, ahead=self.ahead.append)
        self.pool = WarmPool(load_spec("duplex-scripted-60ms"), Warmth(**warmth), told)

    async def __aenter__(self):
        await self.pool.load()
        return self

    async def __aexit__(self, *_):
        await self.pool.aclose()


def test_only_the_least_number_is_loaded_before_anybody_calls():
    async def play():
        async with Watched(most=4, least=1) as one:
            assert (one.pool.free, Models.loads) == (1, 1)
            await asyncio.sleep(600)
            assert Models.loads == 1 and one.ahead == []

    in_virtual_time(play())


def test_a_seat_is_loaded_ahead_of_whoever_calls_next_and_its_use_is_counted():
    async def play():
        async with Watched(most=4, least=1) as one:
            first = one.pool.take()
            assert first is not None and one.pool.free == 0 and one.pool.has_room
            await asyncio.sleep(LOAD_S + 1)  # one call in the last minutes: one more is foreseen
            assert one.pool.free == 1 and one.ahead == ["loaded"]
            second = one.pool.take()
            assert second is not None and one.ahead == ["loaded", "used"]
            one.pool.give(second)
            await asyncio.sleep(1)
            assert one.pool.take() is not None and one.ahead.count("used") == 1  # once

    in_virtual_time(play())


def test_a_seat_that_nobody_wants_any_more_is_ended():
    async def play():
        async with Watched(most=4, least=1, idle_s=30.0) as one:
            seat = one.pool.take()
            await asyncio.sleep(LOAD_S + 1)
            one.pool.give(seat)
            await asyncio.sleep(1)
            assert one.pool.free == 2
            await asyncio.sleep(1_000)  # that call is long ago now
            assert one.pool.free == 1 and one.ahead == ["loaded", "unused"]
            assert one.pool.taken == 0

    in_virtual_time(play())


def test_a_call_that_nobody_foresaw_waits_for_its_seat_or_is_refused():
    async def play():
        async with Watched(most=2, least=1) as one:
            assert one.pool.take() is not None
            began_s = asyncio.get_running_loop().time()
            assert await one.pool.take_soon(1.0) is None  # loading takes 4 s
            second = await one.pool.take_soon(5.0)
            assert second is not None
            assert asyncio.get_running_loop().time() - began_s == pytest.approx(LOAD_S)
            assert one.ahead == ["cold"]
            assert not one.pool.has_room and await one.pool.take_soon(5.0) is None

    in_virtual_time(play())


def test_a_call_that_waits_when_the_server_ends_is_refused_at_once():
    async def play():
        async with Watched(most=2, least=1) as one:
            assert one.pool.take() is not None
            waiting = asyncio.create_task(one.pool.take_soon(60.0))
            await asyncio.sleep(1.0)
            one.pool.refuse()
            began_s = asyncio.get_running_loop().time()
            assert await waiting is None
            assert asyncio.get_running_loop().time() == began_s

    in_virtual_time(play())


def test_an_idle_model_works_a_little_and_a_call_waits_for_that_at_most():
    async def play():
        async with Watched(most=1, least=1, keep_alive_s=60.0) as one:
            (seat,) = one.pool._all
            await asyncio.sleep(59)
            assert seat.models.warmed == 0
            await asyncio.sleep(2)
            assert seat.models.warmed == 1 and one.pool.free == 1
            await asyncio.sleep(60.05)  # it works from 125.0 to 125.1 s
            taken = await one.pool.take_soon(5.0)
            assert taken is seat and seat.models.warmed == 2
            await asyncio.sleep(200)
            assert seat.models.warmed == 2  # a conversation keeps it warm
            assert one.pool.pids == [1]

    in_virtual_time(play())


def test_a_seat_that_can_t_be_loaded_is_told_and_tried_again():
    async def play():
        async with Watched(most=2, least=1) as one:
            assert one.pool.take() is not None
            Models.fails = True
            await asyncio.sleep(LOAD_S + 1)
            assert one.told == ["There is no such file."]
            Models.fails = False
            await asyncio.sleep(2 * LOAD_S + 2)
            assert one.pool.free == 1 and one.ahead == ["loaded"]

    in_virtual_time(play())


def test_nothing_is_left_running_when_a_pool_closes_while_it_loads():
    async def play():
        one = Watched(most=2, least=1)
        await one.pool.load()
        one.pool.take()
        await asyncio.sleep(1)
        await one.pool.aclose()
        assert one.pool.pids == [] and one.pool.take() is None

    in_virtual_time(play())
