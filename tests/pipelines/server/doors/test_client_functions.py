"""A client's functions reach a cascade's language model, and their results are spoken.

The recogniser and the synthesiser are the embedded ones; the language model is behind a server of
OpenAI's protocol, a double with preset answers.
"""

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.openai.realtime.events import SessionProperties
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

from pipelines.cascade.llm_server_double import ChatServerDouble
from pipelines.server.app.address import Address
from pipelines.server.app.run import serving
from pipelines.server.service.service import Limits, VoiceService
from pipelines.server.session import session
from pipelines.server.session.events import (
    AssistantPartial,
    Command,
    Functions,
    Interruption,
    ToolCall,
    ToolOutput,
    ToolResult,
    UserText,
)
from pipelines.server.session.forms import spec_of
from pipelines.server.session.pipeline import capabilities_of
from pipelines.server.session.states import SessionError
from pipelines.spec import load_spec
from tests.pipelines.server import openai_contract
from tests.pipelines.server.doors.test_pipecat_client import Heard

SCHEMA = {
    "type": "object",
    "properties": {"what": {"type": "string", "enum": ["cup", "key"]}},
    "required": ["what"],
    "additionalProperties": False,
}
LOOK: Any = {
    "type": "function", "name": "look_up", "description": "Finds a thing.", "parameters": SCHEMA,
}  # fmt: skip
ANSWER = ("The", " cup", " is", " here", ".")
CUP, KEY = ("look_up", '{"what": "cup"}'), ("look_up", '{"what": "key"}')


def spec(url):
    llm = {"engine": "openai-compatible", "model": "small", "url": url}
    return spec_of({"stt": "pocketsphinx", "llm": llm, "tts": "espeak"})


@asynccontextmanager
async def served(**more):
    """A cascade behind the doors; the double's requests and the address."""
    double = ChatServerDouble(ANSWER, **more)
    async with double.serve() as llm:
        service = VoiceService([spec(llm)], Limits(seats=1), tell=lambda text: None)
        async with serving(service, Address(port=0)) as url:
            yield double.asked, url.replace("http", "ws")


async def take_until(connection, kind):
    """Events up to the first of a type, with it; each is checked by OpenAI's types."""
    events: list[Any] = []
    async with asyncio.timeout(20):
        while not events or events[-1].type != kind:
            events.append(await connection.recv())
            openai_contract.check(events[-1].to_dict())
    return events


def said(event, text):
    item = next(one for one in event.response.output if one.type == "message")
    return "".join(part.transcript for part in item.content) == text


async def give(connection, call, output):
    item: Any = {"type": "function_call_output", "call_id": call.call_id, "output": output}
    await connection.conversation.item.create(item=item)


@pytest.mark.timeout(120)
async def test_the_official_package_s_functions_are_called_and_the_answer_is_spoken():
    """Two calls of one answer, after words: one response, one more request with both results."""
    async with served(calls=[CUP, KEY], before=["Let me look."]) as (asked, url):
        client = AsyncOpenAI(api_key="none", websocket_base_url=f"{url}/v1")
        async with client.realtime.connect(model="cascade") as connection:
            await connection.session.update(session={"type": "realtime", "tools": [LOOK]})
            await take_until(connection, "session.updated")
            content: Any = [{"type": "input_text", "text": "where are they"}]
            item: Any = {"type": "message", "role": "user", "content": content}
            await connection.conversation.item.create(item=item)
            await connection.response.create()
            *_, first = await take_until(connection, "response.done")
            calls = [one for one in first.response.output if one.type == "function_call"]
            assert [json.loads(c.arguments) for c in calls] == [{"what": "cup"}, {"what": "key"}]
            assert said(first, "Let me look.")
            await give(connection, calls[0], '{"where": "on the shelf"}')
            await give(connection, calls[1], "")
            await connection.response.create()
            events = await take_until(connection, "response.done")
            assert said(events[-1], "".join(ANSWER))
            assert events[-1].response.status == "completed"
            deltas = [e.delta for e in events if e.type == "response.output_audio.delta"]
            pcm = np.frombuffer(b"".join(map(base64.b64decode, deltas)), "<i2")
            assert len(pcm) > 12_000 and np.abs(pcm).max() > 1_000
    first_asked, second_asked = asked
    function = {key: LOOK[key] for key in ("name", "description", "parameters")}
    assert first_asked["tools"] == [{"type": "function", "function": function}]
    told = [m for m in second_asked["messages"] if m["role"] == "tool"]
    results = {m["tool_call_id"]: m["content"] for m in told}
    assert json.loads(results["call-0"]) == {"where": "on the shelf"}
    assert json.loads(results["call-1"]) == "(no output)"


@pytest.mark.timeout(120)
async def test_pipecat_s_client_gives_its_function_to_a_cascade():
    looked = []

    async def look_up(params):
        looked.append(dict(params.arguments))
        await params.result_callback({"where": "on the shelf"})

    async with served(calls=[CUP]) as (asked, url):
        llm = OpenAIRealtimeLLMService(
            api_key="none",
            base_url=f"{url}/v1/realtime",
            settings=OpenAIRealtimeLLMService.Settings(
                model="cascade", session_properties=SessionProperties(tools=[LOOK])
            ),
        )
        llm.register_function("look_up", look_up)
        heard = Heard(lambda h: "".join(h.words) == "".join(ANSWER) and h.pcm)
        pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "where is it"}]))
        worker = PipelineWorker(
            Pipeline([pair.user(), llm, heard, pair.assistant()]),
            params=PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )
        runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await worker.queue_frame(LLMRunFrame())
        async with asyncio.timeout(20):
            await heard.done.wait()
        await runner.cancel()
        await running
    assert looked == [{"what": "cup"}] and len(asked) == 2
    result = next(m for m in asked[1]["messages"] if m["role"] == "tool")
    assert json.loads(result["content"]) == {"where": "on the shelf"}


@pytest.mark.timeout(120)
async def test_a_result_that_comes_after_an_interruption_is_told_to_the_model_as_a_fact():
    double = ChatServerDouble(ANSWER, calls=[CUP])
    form = {"engine": "openai-compatible", "model": "small"}
    async with (
        double.serve() as url,
        session({"stt": "pocketsphinx", "llm": {**form, "url": url}, "tts": "espeak"}) as talk,
        asyncio.timeout(30),
    ):
        for wrong in ({"name": "look up"}, {"name": "look", "parameters": "x"}):
            with pytest.raises(SessionError, match=r"no name of a function|no JSON schema"):
                await talk.send(Functions([wrong]))
        await talk.send(Functions([LOOK]))
        await talk.send(UserText("where is it"))
        events = talk.events()
        call = await anext(e async for e in events if isinstance(e, ToolCall))
        assert (call.name, call.arguments, call.goes_on) == ("look_up", {"what": "cup"}, False)
        await talk.send(Command("interrupt"))
        await anext(e async for e in events if isinstance(e, Interruption))
        await asyncio.sleep(0.2)
        await talk.send(ToolOutput(call.call_id, "on the shelf"))
        words = ""
        async for event in events:
            assert not isinstance(event, ToolResult)
            words += event.text if isinstance(event, AssistantPartial) else ""
            if words == "".join(ANSWER):
                break
        with pytest.raises(SessionError, match="no call 'call-0' of a function waits"):
            await talk.send(ToolOutput(call.call_id, "again"))
    told = [m["content"] for m in double.asked[-1]["messages"] if m["role"] == "user"]
    assert told[-1] == "The function look_up, during which the user spoke, has given: on the shelf"


def test_a_preset_says_whether_it_takes_functions():
    assert "functions" in capabilities_of(spec("http://127.0.0.1:1/v1")).inputs
    for name in ("cascade-embedded", "duplex-nano", "bot-quickstart", "click"):
        assert "functions" not in capabilities_of(load_spec(name)).inputs
    hosted = load_spec("hosted-cascade")
    assert {"functions", "tool_result"} <= set(capabilities_of(hosted).inputs)
