"""`/api/chat` over a real port: by our own line, and by hand."""

import asyncio
from typing import Any

import numpy as np
import pytest
import sphn
import websockets

from pipelines.server.service.service import Limits
from pipelines.wires import moshi
from tests.pipelines.server.doors.served import served, token


def opus(pcm):
    writer = sphn.OpusStreamWriter(24_000)
    floats = pcm.astype(np.float32) / 32_768
    return [b"\x01" + writer.append_pcm(floats[n : n + 1920]) for n in range(0, len(pcm), 1920)]


async def session(url, query="", **more):
    return await websockets.connect(f"{url}/api/chat{query}", **more)


async def test_a_model_steps_once_for_1920_samples_and_answers_in_opus():
    query = "?preset=passthrough&text_prompt=Be+kind&voice_prompt=NATF2.pt&seed=3&pad_mult=1"
    async with served() as (_, url):
        socket = await session(url, query)
        assert await socket.recv() == b"\x00"
        tone = (8_000 * np.sin(2 * np.pi * 500 * np.arange(9_600) / 24_000)).astype(np.int16)
        for page in opus(tone):
            await socket.send(page)
        reader = sphn.OpusStreamReader(24_000)
        heard: list[Any] = []
        async with asyncio.timeout(5):
            while sum(map(len, heard)) < 9_600:
                message = await socket.recv()
                assert message[0] == moshi.AUDIO
                heard.append(reader.append_bytes(message[1:]))
        out = np.concatenate(heard)
        assert len(out) == 9_600
        assert 0.2 < np.abs(out[2_000:]).max() < 0.3
        await socket.close()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x01" + b"garbage" * 30, b"no Opus in Ogg"),
        (b"\x01OggS\x00" + b"\x00" * 200, b"no Opus in Ogg"),
        (b"", b"an empty message"),
        ("hello", b"a text message: Moshi's are binary"),
    ],
    ids=["garbage", "half a page", "empty", "text"],
)
async def test_what_is_not_of_the_protocol_ends_its_own_session_in_a_sentence(message, said):
    async with served() as (service, url):
        other = await session(url)
        assert await other.recv() == b"\x00"
        socket = await session(url)
        assert await socket.recv() == b"\x00"
        await socket.send(message)
        told = await socket.recv()
        assert told[0] == moshi.ERROR and said in told
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 1008
        assert service.open == 1
        await other.close()


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [("?seed=x", 400, b"no whole number"), ("", 401, b"a token is needed")],
)
async def test_a_client_is_refused_before_the_socket_opens(query, status, said):
    async with served(guarded=True) as (_, url):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await session(url, query)
        assert refused.value.response.status_code == status
        assert said in refused.value.response.body
        headers = {"Authorization": f"Bearer {token()}"}
        socket = await session(url, additional_headers=headers)
        assert await socket.recv() == b"\x00"
        await socket.close()


async def test_a_preset_that_is_not_served_is_told_by_a_message_and_a_close():
    async with served(limits=Limits(conversation_s=60)) as (_, url):
        socket = await session(url, "?preset=moshika")
        told = await socket.recv()
        assert told[0] == moshi.ERROR and b"'moshika' is not served here" in told
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 1008
