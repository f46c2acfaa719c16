"""`/v1/realtime` over a real port, by the official openai package and by hand."""

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest
import websockets
from openai import AsyncOpenAI

from tests.pipelines.server import openai_contract
from tests.pipelines.server.doors.served import loud, served, token

LOOK_UP: Any = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}


def b64(pcm):
    return base64.b64encode(pcm.tobytes()).decode()


async def take_until(connection, kind):
    """Events up to the first of a type, with it; each is checked by OpenAI's types."""
    events: list[Any] = []
    async with asyncio.timeout(10):
        while not events or events[-1].type != kind:
            events.append(await connection.recv())
            openai_contract.check(events[-1].to_dict())
    return events


async def test_the_official_package_holds_a_conversation_with_a_function_call():
    async with served() as (service, url):
        client = AsyncOpenAI(api_key="none", websocket_base_url=f"{url}/v1")
        async with client.realtime.connect(model="clerk") as connection:
            created = (await take_until(connection, "session.created"))[-1]
            assert created.session.model == "clerk"
            await connection.session.update(session={"type": "realtime", "tools": [LOOK_UP]})
            await take_until(connection, "session.updated")
            await connection.input_audio_buffer.append(audio=b64(loud(1_920)))
            *_, done = await take_until(connection, "response.done")
            (call,) = done.response.output
            assert (call.name, json.loads(call.arguments)) == (
                "look_up",
                {"what": "the red cup"},
            )
            filler = await take_until(connection, "response.done")  # "let me see": 80 ms
            assert filler[-1].response.output[0].role == "assistant"
            output: Any = {
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": "here",
            }
            await connection.conversation.item.create(item=output)
            await connection.response.create()
            events = await take_until(connection, "response.done")
            pcm = b"".join(
                base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta"
            )
            assert np.frombuffer(pcm, "<i2").tolist() == [8_000] * 1_920
            said = events[-1].response.output[0].content[0].transcript
            assert (events[-1].response.status, said) == ("completed", "here")
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not service.open:
                break
        assert service.open == 0


async def session(url, query="?model=passthrough", **more):
    return await websockets.connect(f"{url}/v1/realtime{query}", **more)


async def receive(socket, kind):
    async with asyncio.timeout(10):
        while True:
            event = json.loads(await socket.recv())
            openai_contract.check(event)
            if event["type"] == kind:
                return event


async def test_telephone_audio_comes_back_to_its_last_sample():
    update = {
        "type": "session.update",
        "session": {
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"format": {"type": "audio/pcmu"}},
            }
        },
    }
    async with served() as (_, url):
        socket = await session(url)
        await socket.send(json.dumps(update))
        await receive(socket, "session.updated")
        codes = base64.b64encode(b"\x20" * 640).decode()  # 80 ms
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": codes}))
        heard, done = b"", None
        while done is None:
            event = json.loads(await socket.recv())
            if event["type"] == "response.output_audio.delta":
                heard += base64.b64decode(event["delta"])
            done = event if event["type"] == "response.done" else None
        assert len(heard) == 640 + 32  # 4 ms: the filter's
        assert done["response"]["status"] == "completed"
        await socket.close()


async def test_audio_that_comes_faster_than_it_could_be_spoken_is_heard_in_real_time():
    async with served() as (_, url):
        socket = await session(url)
        await receive(socket, "conversation.created")
        began_s = asyncio.get_running_loop().time()
        audio = b64(loud(24_000 * 6 // 5))  # 1.2 s
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        samples = 0
        while samples < 24_000 * 6 // 5 - 1_920:
            event = await receive(socket, "response.output_audio.delta")
            samples += len(base64.b64decode(event["delta"])) // 2
        assert 0.7 < asyncio.get_running_loop().time() - began_s < 2.5
        await socket.close()


async def test_a_client_that_ends_turns_itself_is_heard_when_it_asks_and_silence_follows():
    held: Any = {"audio": {"input": {"turn_detection": None}}}
    async with served() as (_, url):
        socket = await session(url)
        await receive(socket, "conversation.created")
        began_s = asyncio.get_running_loop().time()
        audio = b64(loud(24_000))  # 1 s, in no time
        for message in (
            {"type": "session.update", "session": held},
            {"type": "input_audio_buffer.append", "audio": audio},
            {"type": "input_audio_buffer.commit"},
            {"type": "response.create"},
        ):
            await socket.send(json.dumps(message))
        heard: list[bytes] = []
        while sum(map(len, heard)) < 2 * 24_000:
            event = await receive(socket, "response.output_audio.delta")
            heard.append(base64.b64decode(event["delta"]))
        assert 0.2 < asyncio.get_running_loop().time() - began_s < 0.9  # four times as fast
        done = await receive(socket, "response.done")  # the silence behind it ended the answer
        assert done["response"]["status"] == "completed"
        await socket.close()


async def test_what_is_no_event_is_an_error_and_the_session_goes_on():
    async with served() as (_, url):
        socket = await session(url)
        await receive(socket, "conversation.created")
        for message in ("{", b"\xff\xff", '{"type":"sing"}'):
            await socket.send(message)
            error = await receive(socket, "error")
            assert error["error"]["message"]
        await socket.send('{"type":"response.create"}')
        done = await receive(socket, "response.done")
        assert done["response"]["status_details"]["error"]["message"] == (
            "passthrough takes no respond: it takes audio."
        )
        audio = {"type": "input_audio_buffer.append", "audio": b64(loud(1_920))}
        await socket.send(json.dumps(audio))
        await receive(socket, "response.output_audio.delta")
        await socket.close()


async def test_a_message_of_more_than_a_mebibyte_ends_its_own_session():
    async with served() as (_, url):
        socket = await session(url)
        await socket.send("x" * (1 << 20) + "y")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await socket.recv()
        assert closed.value.rcvd.code == 1009


async def test_who_has_no_token_is_refused_and_a_browser_shows_it_in_a_subprotocol():
    async with served(guarded=True) as (_, url):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await session(url)
        assert refused.value.response.status_code == 401
        asked = ["realtime", f"openai-insecure-api-key.{token()}"]
        socket = await session(url, subprotocols=asked)
        assert socket.subprotocol == "realtime"
        await receive(socket, "session.created")
        await socket.close()
        client = AsyncOpenAI(api_key=token(), websocket_base_url=f"{url}/v1")
        async with client.realtime.connect(model="passthrough") as connection:
            await take_until(connection, "session.created")


async def test_a_model_that_is_not_served_is_an_error_and_a_close():
    async with served() as (_, url):
        socket = await session(url, "?model=gpt-realtime")
        error = await receive(socket, "error")
        assert "'gpt-realtime' is not served here" in error["error"]["message"]
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 1008
