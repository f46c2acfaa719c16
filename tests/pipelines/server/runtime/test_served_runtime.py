"""Skills and fallbacks through a service, with real processes and a real port."""

import asyncio
import contextlib
import os
import signal

import pytest

from pipelines.cascade.llm_server_double import ChatServerDouble
from pipelines.errors import LabError
from pipelines.server.app.address import Address
from pipelines.server.app.run import serving
from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.remote import RemoteBackend
from pipelines.server.runtime.runtime import Runtime
from pipelines.server.service.service import Limits, VoiceService
from pipelines.server.session.conversation import Session
from pipelines.server.session.doubles import tone
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Audit,
    Closed,
    Command,
    Fallback,
    Interruption,
    Say,
    ToolCall,
    ToolResult,
    UserText,
)
from pipelines.server.session.states import SessionError
from pipelines.server.skills.registry import Registry
from pipelines.server.skills.shipped import shipped
from pipelines.server.skills.skill import Skill
from pipelines.spec import load_spec, parse_spec

FRAME = bytes(2 * 1_920)


@contextlib.asynccontextmanager
async def started(*specs, **more):
    service = VoiceService(specs, tell=lambda text: None, **more)
    await service.start()
    try:
        yield service
    finally:
        await service.close()


async def until(talk, kind, pcm=FRAME):
    """The next event of a kind, while the user speaks ``pcm`` again and again."""

    async def speak():
        while True:
            talk.push(pcm)
            await asyncio.sleep(0.08)

    speaking = asyncio.create_task(speak())
    try:
        async with asyncio.timeout(60):
            async for event in talk.events():
                if isinstance(event, kind):
                    return event
        raise AssertionError("it never came")
    finally:
        speaking.cancel()


async def look_up(arguments):
    await asyncio.sleep(0.01)
    return f"the {arguments['what']} is on the shelf"


WHAT = {
    "type": "object",
    "properties": {"what": {"type": "string"}},
    "required": ["what"],
    "additionalProperties": False,
}


@pytest.mark.timeout(180)
async def test_a_killed_model_leaves_its_conversation_to_the_next_agent():
    runtime = Runtime(Conduct(sentence=""), fallback=("passthrough",))
    spec = load_spec("duplex-scripted-60ms")
    async with started(
        spec, limits=Limits(seats=1), steps=("passthrough",), runtime=runtime
    ) as service:
        (pid,) = service.pids
        async with service.conversation(spec.name, "test") as talk:
            await until(talk, AudioOut)
            os.kill(pid, signal.SIGKILL)
            change = await until(talk, Fallback)
            assert (change.new, change.why) == ("passthrough", "model_died")
            assert "SIGKILL" in change.message
            while (await until(talk, AudioOut, tone(5_000))).pcm != tone(5_000):
                pass
            assert talk.state == "speaking"
        assert reason_of(talk) == ""
        figures = service.figures.text().decode()
        assert f'duplex_lab_exchanges_total{{preset="{spec.name}",why="model_died"}} 1.0' in figures
        async with asyncio.timeout(60):
            while not service.ready_for(spec.name):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # its seat is given back, and its model replaced


def reason_of(talk):
    return next(event.reason for event in talk.take_events() if isinstance(event, Closed))


@pytest.mark.timeout(180)
async def test_a_cascade_s_language_model_calls_a_skill_and_speaks_of_its_result():
    double = ChatServerDouble(
        ["It is ", "on the shelf."], calls=[("look_up", '{"what": "red cup"}')]
    )
    async with double.serve() as url:
        toml = load_spec("cascade-embedded").toml.replace(
            'engine = "llama"\nmodel = "creature-3m"',
            f'engine = "ollama"\nmodel = "small"\nurl = "{url}"',
        )
        spec = parse_spec("cascade-served", toml)
        registry = Registry([Skill("look_up", "Says where a thing is.", WHAT, look_up)])
        runtime = Runtime(registry=registry)
        async with (
            started(spec, limits=Limits(seats=1), runtime=runtime) as service,
            service.conversation(None, "test") as talk,
        ):
            await talk.send(UserText("where is the red cup?"))
            found = []
            async with asyncio.timeout(60):
                async for event in talk.events():
                    found.append(event)
                    if isinstance(event, AssistantPartial) and "shelf" in event.text:
                        break
            figures = service.figures
            for event in found:
                figures.take(event, spec.name, "test")
            assert 'skill_calls_total{skill="look_up",step="done"} 1.0' in figures.text().decode()
    first, second = double.asked
    assert first["tools"][0]["function"]["name"] == "look_up"
    assert first["tools"][0]["function"]["parameters"]["required"] == ["what"]
    (told,) = [message for message in second["messages"] if message["role"] == "tool"]
    assert "the red cup is on the shelf" in told["content"]
    (call,) = [event for event in found if isinstance(event, ToolCall)]
    assert call.answered_here and call.arguments == {"what": "red cup"}
    steps = [event.step for event in found if isinstance(event, Audit)]
    assert steps == ["asked", "done"]
    (result,) = [event for event in found if isinstance(event, ToolResult)]
    assert result.result == "the red cup is on the shelf"


@pytest.mark.unhurried
@pytest.mark.timeout(180)
async def test_what_a_duplex_model_says_calls_a_skill_and_its_plan_comes_later():
    spec = load_spec("duplex-scripted-watch")
    runtime = Runtime(registry=Registry(shipped()))
    async with (
        started(spec, limits=Limits(seats=1), runtime=runtime) as service,
        service.conversation(None, "test") as talk,
    ):
        for _ in range(12):
            talk.push(tone(6_000))
            await asyncio.sleep(0.08)
        found = []

        async def listen():
            async for event in talk.events():
                found.append(event)
                if isinstance(event, ToolResult) and event.is_late:
                    return

        async def be_silent():
            while True:
                talk.push(FRAME)
                await asyncio.sleep(0.08)

        silence = asyncio.create_task(be_silent())
        async with asyncio.timeout(60):
            await listen()
        silence.cancel()
    (call,) = [event for event in found if isinstance(event, ToolCall)]
    assert (call.name, call.answered_here) == ("do_physical_task", True)
    assert call.arguments == {"task": "bring", "object": "green cup"}
    steps = [event.step for event in found if isinstance(event, Audit)]
    assert steps == ["asked", "done"]
    done, plan = [event for event in found if isinstance(event, ToolResult)]
    assert done.result == {"accepted": True, "task": "bring", "object": "green cup"}
    assert plan.result["plan"].startswith("1. find a way to bring") and plan.call_id == call.call_id
    # The voice went on while the slow loop thought for 2 s: a frame each 80 ms.
    at = [event.t_ns for event in found if isinstance(event, AudioOut)]
    assert sum(done.t_ns < t_ns < plan.t_ns for t_ns in at) > 10


# the remote line


@contextlib.asynccontextmanager
async def elsewhere(**more):
    service = VoiceService([], steps=("passthrough",), tell=lambda text: None, **more)
    async with serving(service, Address(port=0)) as url:
        yield service, f"{url.replace('http', 'ws')}/v1/stream"


async def test_a_remote_line_carries_a_conversation_both_ways():
    async with elsewhere() as (_, url), Session(RemoteBackend(url)) as talk:
        heard = await until(talk, AudioOut, tone(5_000))
        assert heard.rate_hz == 24_000 and set(heard.pcm[::2]) == {5_000 & 255}
        with pytest.raises(SessionError, match=r"takes no Say: it takes audio, text, interrupt\."):
            await talk.send(Say("hello"))
        await talk.send(Command("interrupt"))  # that agent takes none: an error of no consequence
        assert talk.state == "speaking"


async def test_a_remote_line_that_is_lost_leaves_the_conversation_to_the_next():
    async with started(steps=("passthrough",)) as here:
        async with elsewhere() as (there, url):
            runtime = Runtime(Conduct(sentence=""), fallback=(url, "passthrough"))
            here.runtime = runtime
            async with here.conversation("passthrough", "test") as talk:
                # The first of the chain is itself; the line comes into play when it dies.
                talk._backend._take(dead("passthrough"))
                change = await until(talk, Fallback)
                assert change.new == url
                await until(talk, AudioOut, tone(5_000))
                await there.drain("the server is shutting down", 0)
                closed = await until(talk, Closed)
                assert "hung up" in closed.reason
        unreachable = Session(RemoteBackend(url))
        with pytest.raises(LabError, match=r"the remote line ws://127\.0\.0\.1"):
            await unreachable.start()


def dead(name):
    from pipelines.server.session.events import Failure

    return Failure(0, f"{name} died", fatal=True)


async def test_a_remote_line_needs_its_token_and_says_an_interruption(monkeypatch):
    monkeypatch.delenv("LINE_TOKEN", raising=False)
    with pytest.raises(LabError, match="variable LINE_TOKEN is not set"):
        await RemoteBackend("ws://127.0.0.1:1/v1/stream", "LINE_TOKEN").start(lambda event: None)
    line = RemoteBackend("ws://user:secret@127.0.0.1:1/v1/stream?preset=a")
    told = line._event('{"type": "status", "state": "interrupted"}')
    assert isinstance(told, Interruption) and told.generation == 1
    heard = line._event(b"\x01\x00")
    assert isinstance(heard, AudioOut) and heard.generation == 1
    assert line._event('{"type": "audio", "is_filler": true}') is None
    filler = line._event(b"\x01\x00")
    assert isinstance(filler, AudioOut) and (heard.is_filler, filler.is_filler) == (False, True)
    assert line._event("nonsense") is None
    assert line._name == "ws://127.0.0.1:1/v1/stream"
    assert line._url.endswith("?preset=a&rate=24000")
