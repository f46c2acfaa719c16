"""Told once, remembered in the next conversation; another user gets nothing; it holds nobody up."""

import asyncio
import contextlib
import sqlite3

import pytest

from pipelines import registry
from pipelines.server.memory.disk.database import MemoryStoreError, path_of
from pipelines.server.memory.memories import Memories
from pipelines.server.memory.options import MemoryOptions
from pipelines.server.service.service import VoiceService
from pipelines.server.session.events import Event, Failure
from tests.pipelines.server.memory import remembered
from tests.pipelines.server.memory.remembered import SPEC, Calendar, asked

TOLD = "My sister Ruth has her birthday on the third of March."
ASKED = "When is Ruth's birthday?"


@pytest.fixture(autouse=True)
def written(monkeypatch):
    architecture = registry.Architecture(build=f"{remembered.__name__}:build", stages=())
    monkeypatch.setitem(registry.ARCHITECTURES, "written", architecture)


@contextlib.asynccontextmanager
async def served(folder, calendar=None, **options):
    told: list[str] = []
    memory = Memories(
        MemoryOptions(folder=folder, wait_ms=1_000, **options), calendar or Calendar()
    )
    service = VoiceService([SPEC], memory=memory, tell=told.append)
    await service.start()
    try:
        yield service, told
    finally:
        await service.close()


async def written_down(service, user="ada"):
    """Waits until all that was said so far is on the disk: it is written beside the voice."""
    await asyncio.wrap_future(service.memory.writer.work(user, lambda connection: None))


async def test_what_a_user_tells_once_is_known_in_the_next_conversation_and_to_no_other(
    tmp_path,
):
    calendar = Calendar()
    async with served(tmp_path, calendar) as (service, told):
        async with service.conversation(None, "test", "ada") as talk:
            assert await asked(talk, TOLD) == ((), f"user: {TOLD}")
            injected, _ = await asked(talk, ASKED)
            assert injected == ()  # it is in this conversation's context already
        await written_down(service)
        calendar.pass_days(1)
        async with service.conversation(None, "test", "ada") as talk:
            injected, read = await asked(talk, ASKED)
            assert injected == (TOLD,)
            note, question = read.splitlines()
            assert note == (f"developer: Known of this user: “{TOLD}” (2026-09-21)")
            assert question == f"user: {ASKED}"
            injected, read = await asked(
                talk, "The birthday of my sister Ruth is when, did you say?"
            )
            assert injected == () and read.count(TOLD) == 1  # once is enough
            assert (await asked(talk, "Set a timer for ten minutes."))[0] == ()
        async with service.conversation(None, "test", "eve") as talk:
            assert await asked(talk, ASKED) == ((), f"user: {ASKED}")
        for nobody in ("", None):
            async with service.conversation(None, "test", nobody) as talk:
                assert (await asked(talk, ASKED))[0] == ()
        assert told == []
    assert sorted(p.name for p in tmp_path.glob("*.sqlite")) == sorted(
        path_of(tmp_path, user).name for user in ("ada", "eve")
    )


async def test_where_nobody_is_asked_for_a_token_it_is_the_local_user_s(tmp_path):
    async with served(tmp_path, local_user="me") as (service, _):
        async with service.conversation(None, "test") as talk:
            await asked(talk, TOLD)
        await written_down(service, "me")
        async with service.conversation(None, "test") as talk:
            assert (await asked(talk, ASKED))[0] == (TOLD,)
        async with service.conversation(None, "test", None) as talk:  # a telephone, a room
            assert (await asked(talk, ASKED))[0] == ()


async def test_a_locked_memory_is_one_sentence_and_the_conversation_goes_on(tmp_path):
    async with served(tmp_path) as (service, told):
        service.memory.writer.busy_ms = 10
        async with service.conversation(None, "test", "ada") as talk:
            await asked(talk, TOLD)
        await written_down(service)
        path = path_of(tmp_path, "ada")
        other = sqlite3.connect(path, isolation_level=None)
        with contextlib.closing(other):
            other.execute("BEGIN IMMEDIATE")
            async with service.conversation(None, "test", "ada") as talk:
                seen: list[Event] = []
                for _ in range(3):
                    _, read = await asked(talk, "I have two cats.", seen)
                    assert read.endswith("user: I have two cats.")
                while not told:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await talk.stop()
                seen += talk.take_events()
            with pytest.raises(MemoryStoreError, match="locked"):  # behind all that was said
                await asyncio.wrap_future(service.memory.writer.work("ada", lambda c: None))
            other.execute("ROLLBACK")
    assert told == [
        f"the memory {path.name} can't be used: another program holds it locked: the conversation "
        "goes on without it."
    ]
    (failure,) = [event for event in seen if isinstance(event, Failure)]
    assert (failure.message, failure.fatal) == (told[0], False)
    with contextlib.closing(sqlite3.connect(path)) as kept:
        rows = kept.execute("SELECT text FROM memories WHERE source = 'user'").fetchall()
    assert rows == [(TOLD,)]
