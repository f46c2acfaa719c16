"""The service: seats, a model's process that is killed, a full disk, a conversation without end."""

import asyncio
import contextlib
import gc
import os
import signal
import weakref

import pytest

from pipelines.errors import LabError, SpecError
from pipelines.server.service.service import Limits, RefusedError, VoiceService
from pipelines.server.session.events import AudioOut, Closed, Failure
from pipelines.spec import load_spec

SILENCE = bytes(2 * 1_920)


@contextlib.asynccontextmanager
async def started(*presets, steps=("passthrough",), **more):
    service = VoiceService([load_spec(name) for name in presets], steps=steps, **more)
    await service.start()
    try:
        yield service
    finally:
        await service.close()


async def speak(talk):
    """Silence in real time, until the session closes."""
    while not talk.over.is_set():
        talk.push(SILENCE)
        await asyncio.sleep(0.08)


async def until(talk, kind):
    """The next event of a kind, while the user is silent."""
    speaking = asyncio.create_task(speak(talk))
    try:
        async with asyncio.timeout(60):
            async for event in talk.events():
                if isinstance(event, kind):
                    return event
        raise AssertionError("it never came")
    finally:
        speaking.cancel()


async def until_free(service):
    async with asyncio.timeout(60):
        while not service.ready_for("duplex-scripted-60ms"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.timeout(180)
async def test_a_killed_model_is_told_to_its_conversation_and_replaced():
    told: list[str] = []
    limits = Limits(seats=1)
    async with started("duplex-scripted-60ms", limits=limits, tell=told.append) as service:
        (pid,) = service.pids
        async with service.conversation(None, "test") as talk:
            await until(talk, AudioOut)
            with pytest.raises(RefusedError, match="as many conversations as it can have"):
                async with service.conversation("duplex-scripted-60ms", "test"):
                    pass
            async with service.conversation("passthrough", "test") as other:
                os.kill(pid, signal.SIGKILL)
                closed = await until(talk, Closed)
                assert "crashed" in closed.reason and "SIGKILL" in closed.reason
                assert other.state == "listening"
        await until_free(service)
        (replacement,) = service.pids
        assert replacement != pid
        figures = service.figures.text().decode()
        assert 'duplex_lab_fallbacks_total{preset="duplex-scripted-60ms"} 1.0' in figures
        assert 'duplex_lab_warm_seats{preset="duplex-scripted-60ms",state="free"} 1.0' in figures
        os.kill(replacement, signal.SIGKILL)  # while nobody talks
        async with asyncio.timeout(60):
            while service.pids == [replacement] or not service.pids:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await until_free(service)
        assert b'fallbacks_total{preset="duplex-scripted-60ms"} 2.0' in service.figures.text()
    assert service.pids == []


@pytest.mark.timeout(120)
async def test_conversations_that_are_over_leave_nothing_behind_while_another_goes_on():
    name = "duplex-scripted-60ms"

    async def talked(service):
        """What a conversation was made of, weakly."""
        async with service.conversation(name, "test") as talk:
            await until(talk, AudioOut)
            backend = talk._backend
            parts = [talk, backend, backend._worker, backend._wire, backend._models]
            return [weakref.ref(part) for part in parts[:-1]]

    async def until_given_back(service):
        async with asyncio.timeout(60):
            while len(service._pools[name]._free) < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async with (
        started(name, limits=Limits(seats=2)) as service,
        service.conversation(name, "test") as other,
    ):
        sizes = []
        for _ in range(4):
            parts = await talked(service)
            await until_given_back(service)
            assert [part() for part in parts] == [None] * 4
            assert service.open == 1 and other.state == "listening"
            other.take_events()
            sizes.append(len(gc.get_objects()))
        # The first still imports; then a conversation leaves no more than others come and go.
        assert sizes[3] - sizes[1] < 200, sizes


async def test_a_full_disk_is_told_to_the_conversation_and_ends_nothing_else():
    class Full:
        keeps = True
        asked = 0

        def keep(self, conversation):
            self.asked += 1
            raise LabError("run: can't be written: No space left on device.")

    full = Full()
    async with started("click", log=full) as service:  # noqa: SIM117
        async with service.conversation("click", "test") as other:
            async with service.conversation("click", "test") as talk:
                await talk.stop()
            events = talk.take_events()
            (failure,) = [e for e in events if isinstance(e, Failure)]
            assert "No space left on device" in failure.message and not failure.fatal
            assert isinstance(events[-1], Closed) and events[-1].reason == ""
            assert other.state == "listening" and full.asked == 1
            # A preset without models has as many conversations as the server allows.
            assert service.open == 1


async def test_a_conversation_without_end_is_ended():
    async with (
        started(limits=Limits(conversation_s=0.05)) as service,
        service.conversation(None, "test") as talk,
    ):
        closed = await until(talk, Closed)
        assert closed.reason.startswith("a conversation lasts 0 minutes at most")


async def test_a_service_that_ends_lets_nobody_in():
    async with started() as service:
        assert service.ready
        await service.drain("the server is shutting down")
        assert not service.ready
        with pytest.raises(RefusedError, match="shutting down"):
            async with service.conversation(None, "test"):
                pass


def test_presets_that_nobody_can_talk_to_are_refused_at_the_start():
    with pytest.raises(SpecError, match="labels"):
        VoiceService([load_spec("cascade-scripted")])


async def test_a_model_that_can_t_be_loaded_leaves_nothing_running(monkeypatch):
    from pipelines.server.service import warm

    loads = []

    async def broken(pool, seat):
        loads.append(seat)
        raise LabError("There is no such file.")

    monkeypatch.setattr(warm.WarmPool, "_prepare", broken)
    with pytest.raises(LabError, match="no such file"):
        async with started("duplex-scripted-60ms"):
            pass
    assert len(loads) == 1
