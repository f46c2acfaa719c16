"""`/twilio/voice` and `/twilio/media` over a real port, as Twilio would call them."""

import asyncio
import base64
import json
import re
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
import pytest
import websockets

from pipelines.server.doors import twilio as door
from pipelines.server.doors.twilio import TwilioTalk
from pipelines.server.protocols.twilio_request import signature
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.events import Context
from pipelines.wires import g711, twilio
from pipelines.wires.twilio import Start
from tests.pipelines.server.doors.served import served, token

ACCOUNT = {"twilio_token": "12345", "public_url": "https://voice.example.org"}
FORM = {"CallSid": "CA1", "From": "+14158675309", "To": "+18005551212"}
VOICE = "https://voice.example.org/twilio/voice"


async def webhook(url, query="", form=FORM, signed=True, called=VOICE):
    address = url.replace("ws", "http", 1) + "/twilio/voice" + query
    right = signature("12345", called + query, FORM.items())
    async with httpx.AsyncClient() as http:
        return await http.post(
            address,
            content=urlencode(form),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                **({"X-Twilio-Signature": right} if signed else {}),
            },
        )


async def call(url, parameters=None, **more):
    socket = await websockets.connect(f"{url}/twilio/media", **more)
    await socket.send(json.dumps(twilio.connected()))
    await socket.send(json.dumps(twilio.start("MZ1", "CA1", parameters or {})))
    return socket


async def closed_by(socket):
    with pytest.raises(websockets.ConnectionClosed) as closed:
        async with asyncio.timeout(5):
            while True:
                await socket.recv()
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_a_signed_call_is_sent_to_its_stream_with_a_ticket_that_is_good_once():
    async with served(**ACCOUNT) as (service, url):
        answer = await webhook(url, "?preset=clerk")
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "text/xml; charset=utf-8",
        )
        assert 'url="wss://voice.example.org/twilio/media"' in answer.text
        parameters = dict(re.findall(r'name="(\w+)" value="([^"]+)"', answer.text))
        assert parameters["preset"] == "clerk"
        socket = await call(url, parameters)
        for _ in range(200):
            if service.open:
                break
            await asyncio.sleep(0.02)
        assert service.open == 1
        await socket.send(json.dumps(twilio.stop("MZ1", "CA1", 2)))
        assert (await closed_by(socket))[0] == 1000
        code, why = await closed_by(await call(url, parameters))
        assert (code, why) == (4401, "a ticket of /twilio/voice is needed")


@pytest.mark.parametrize(
    "more",
    [
        {"signed": False},
        {"form": {**FORM, "From": "+10000000000"}},
        {"called": "https://other.example.org/twilio/voice"},
        {"called": "http://voice.example.org/twilio/voice"},
    ],
    ids=["no signature", "another form", "another host", "another scheme"],
)
async def test_a_webhook_that_is_not_signed_by_twilio_is_refused(more):
    async with served(**ACCOUNT) as (_, url):
        answer = await webhook(url, **more)
        assert (answer.status_code, answer.text) == (
            403,
            "this request is not signed by Twilio\n",
        )


async def test_a_guarded_server_without_an_account_answers_no_call():
    async with served(guarded=True) as (_, url):
        assert (await webhook(url)).status_code == 403
        code, _ = await closed_by(await call(url))
        assert code == 4401
        headers = {"Authorization": f"Bearer {token()}"}
        socket = await call(url, additional_headers=headers)
        await socket.send(json.dumps(twilio.stop("MZ1", "CA1", 2)))
        assert (await closed_by(socket))[0] == 1000


async def test_what_the_caller_says_comes_back_to_its_end_in_messages_of_20_ms_and_a_mark():
    async with served() as (_, url):
        socket = await call(url)
        tone = (8_000 * np.sin(2 * np.pi * 500 * np.arange(1_280) / 8_000)).astype(np.int16)
        for k in range(8):
            codes = g711.encode(tone[160 * k : 160 * (k + 1)])
            await socket.send(json.dumps(twilio.inbound("MZ1", k + 2, k, codes)))
        heard, mark = b"", None
        async with asyncio.timeout(5):
            while mark is None:
                message = json.loads(await socket.recv())
                if message["event"] == "media":
                    payload = base64.b64decode(message["media"]["payload"])
                    assert len(payload) == 160
                    heard += payload
                else:
                    mark = message
        assert mark == twilio.mark("MZ1", "reply-1")
        assert len(heard) == 9 * 160  # 160 ms, 8 ms of both filters, silence up to 20 ms
        pcm = g711.decode(heard).astype(int)
        assert np.abs(pcm[64 + 1_220 : 64 + 1_280]).max() > 7_000
        await socket.close()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("{", "no JSON"),
        (b"\x00\x01", "Twilio's are JSON texts"),
        ('{"event":"media","media":{"payload":"%"}}', "media.payload is no base64"),
        (json.dumps(twilio.inbound("MZ1", 2, 0, b"\xff" * 9_000)), "8000 are the most"),
    ],
    ids=["JSON", "binary", "base64", "too long"],
)
async def test_what_twilio_does_not_say_ends_the_call_in_a_sentence(message, said):
    async with served() as (_, url):
        socket = await call(url)
        await socket.send(message)
        code, why = await closed_by(socket)
        assert code == 1008 and said in why


async def test_a_stream_that_does_not_begin_as_twilios_is_closed(monkeypatch):
    monkeypatch.setattr(door, "START_S", 0.1)
    async with served() as (_, url):
        socket = await websockets.connect(f"{url}/twilio/media")
        assert await closed_by(socket) == (1008, "Twilio's 'start' did not come within 0 s")
        socket = await websockets.connect(f"{url}/twilio/media")
        await socket.send(json.dumps(twilio.start("MZ1", "CA1", {})))
        assert await closed_by(socket) == (1008, "Twilio's first message is 'connected'")


async def test_a_form_that_is_too_long_is_not_read():
    async with served(**ACCOUNT) as (_, url):
        answer = await webhook(url, form={"a": "x" * 70_000})
        assert answer.status_code == 413


def test_a_ticket_is_forgotten_after_a_minute_and_the_oldest_go_first(monkeypatch):
    now_s = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    tickets = door.Tickets()
    first = tickets.new()
    many = [tickets.new() for _ in range(door.MOST_TICKETS)]
    assert not tickets.take(first)
    assert tickets.take(many[0])
    now_s[0] += 61.0
    assert not tickets.take(many[-1])


class Telephoned:
    """A session that takes some inputs, and keeps what it was given."""

    in_rate_hz = out_rate_hz = 24_000

    def __init__(self, *inputs):
        self.capabilities = Capabilities("a", 24_000, 24_000, inputs=inputs)
        self.given = []

    async def send(self, given):
        self.given.append(given)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (
            ("audio", "context"),
            [Context("telephone", "The caller pressed the key 5 of the telephone.")],
        ),
        (("audio",), []),
    ],
    ids=["a cascade", "a model that takes no context"],
)
async def test_a_key_that_is_pressed_is_told_to_an_agent_that_takes_context(inputs, told):
    class Socket:
        def __init__(self):
            self.left = [{"event": "dtmf", "dtmf": {"digit": "5"}}, {"event": "stop", "stop": {}}]

        async def receive(self):
            return {"type": "websocket.receive", "text": json.dumps(self.left.pop(0))}

    session: Any = Telephoned(*inputs)
    socket: Any = Socket()
    await TwilioTalk(socket, session, Start("MZ1", "CA1", {})).listen()
    assert session.given == told
