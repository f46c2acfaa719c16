"""`/v1/stream` over a real port: what goes in and out, who is let in, and what is refused."""

import asyncio
import contextlib
import json
import logging
import resource
import socket
import time
from asyncio import Queue
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
import pytest
import websockets

from pipelines.clock import NS_PER_S
from pipelines.errors import LabError
from pipelines.server.access.tokens import from_secret
from pipelines.server.app import http as running
from pipelines.server.app.address import Address
from pipelines.server.app.run import check, serving
from pipelines.server.doors import door as doors
from pipelines.server.doors import pace
from pipelines.server.doors import stream as door
from pipelines.server.runtime.runtime import Runtime
from pipelines.server.service.service import Limits, VoiceService
from pipelines.server.session import conversation
from pipelines.server.session.doubles import tone
from pipelines.server.skills.registry import Registry
from pipelines.server.skills.skill import Skill

SECRET = "s" * 32
FRAME = tone(5_000)


def token(**more):
    claims = {"aud": "duplex-lab", "exp": int(time.time()) + 60, "scope": "voice", **more}
    return jwt.encode(claims, SECRET, "HS256")


@asynccontextmanager
async def served(verifier=None, limits=None, **more):
    service = VoiceService(
        [], limits or Limits(), steps=("passthrough", "clerk"), tell=lambda text: None, **more
    )
    async with serving(service, Address(port=0), verifier) as url:
        yield service, url


def stream(url, query="", **more):
    return websockets.connect(url.replace("http", "ws") + "/v1/stream" + query, **more)


async def until_closed(socket):
    """Every message up to the close, and its code."""
    got = []
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in socket:
            got.append(message if isinstance(message, bytes) else json.loads(message))
    return got, socket.close_code


def texts(got, kind):
    return [m for m in got if isinstance(m, dict) and m["type"] == kind]


async def test_what_goes_in_comes_out_and_the_state_is_told():
    async with served() as (service, url):
        async with stream(url) as socket:
            await socket.send(FRAME[:1_000])
            await socket.send(FRAME[1_000:])
            while not isinstance(message := await socket.recv(), bytes):
                pass
            assert message == FRAME
            await socket.send('{"type": "stop"}')
            got, code = await until_closed(socket)
        assert code == 1000 and [m["state"] for m in texts(got, "status")] == ["draining", "closed"]
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/healthz")).text == "ok\n"
            told = (await http.get("/v1/presets")).json()
            assert told["presets"] == ["passthrough", "clerk"]
            assert told["capabilities"]["clerk"]["inputs"] == ["audio", "tool_result"]
            figures = (await http.get("/metrics")).text
        assert (
            'duplex_lab_conversations_total{door="stream",preset="passthrough"} 1.0' in figures
            and 'duplex_lab_frame_seconds_count{door="stream",preset="passthrough"} 1.0' in figures
        )
        assert service.open == 0


async def test_a_filler_is_told_before_its_audio_and_so_is_the_answer_after_it():
    async def look_up(arguments):
        return f"{arguments['what']} is here"

    schema = {"type": "object", "properties": {"what": {"type": "string"}}}
    runtime = Runtime(registry=Registry([Skill("look_up", "Where is it?", schema, look_up)]))
    async with served(runtime=runtime) as (_, url), stream(url, "?preset=clerk") as socket:
        await socket.send(FRAME)
        got: list[Any] = []
        async with asyncio.timeout(10):
            while len([m for m in got if isinstance(m, bytes)]) < 2:
                message = await socket.recv()
                got.append(message if isinstance(message, bytes) else json.loads(message))
    told = [m if isinstance(m, bytes) else m["is_filler"] for m in got if is_of_audio(m)]
    assert told == [True, tone(3_000), False, tone(8_000)]


def is_of_audio(message):
    return isinstance(message, bytes) or message["type"] == "audio"


async def test_another_rate_is_resampled_where_it_is_named_and_refused_where_it_is_none():
    async with served() as (_, url):
        async with stream(url, "?rate=48000") as socket:
            for _ in range(2):
                await socket.send(FRAME * 2)  # 3840 samples: 80 ms
            await asyncio.sleep(0.2)
            await socket.send('{"type": "stop"}')
            got, _ = await until_closed(socket)
        assert texts(got, "status")[0]["rate"] == 48_000
        heard = b"".join(m for m in got if isinstance(m, bytes))
        assert len(heard) // 2 == 2 * 3_840
        with pytest.raises(websockets.InvalidStatus) as refused:
            await stream(url, "?rate=11025")
        assert refused.value.response.status_code == 400
        assert b"rate='11025' is not spoken here" in refused.value.response.body


async def test_a_preset_that_is_not_served_is_named_in_a_sentence():
    async with served() as (_, url), stream(url, "?preset=clerc") as socket:
        got, code = await until_closed(socket)
        assert code == 1008
        (error,) = texts(got, "error")
        assert error["message"].startswith("'clerc' is not served here (did you mean 'clerk'?)")


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        ("{", 1008, "no JSON object"),
        ("[" * 9_000, 1008, "no JSON object"),
        ('{"type": ' + "9" * 5_000 + "}", 1008, "no JSON object"),
        (b"abc", 1008, "3 bytes are no whole number"),
        (bytes(70_000), 1009, "65536 bytes at most"),
        ("x" * 20_000, 1009, "16384 characters at most"),
        (bytes(2 << 20), 1009, ""),
    ],
    ids=["half", "deep", "digits", "odd", "long audio", "long text", "oversized"],
)
async def test_a_message_that_breaks_the_rules_ends_its_own_conversation_only(message, code, said):
    async with served() as (service, url), stream(url) as other, stream(url) as socket:
        await socket.send(message)
        got, closed_by = await until_closed(socket)
        assert closed_by == code
        assert not said or said in texts(got, "error")[-1]["message"]
        await other.send(FRAME)
        while not isinstance(await other.recv(), bytes):
            pass
        async with asyncio.timeout(10):
            while service.open != 1:  # noqa: ASYNC110  its end takes a moment
                await asyncio.sleep(0.01)


async def test_an_unknown_type_is_told_and_the_conversation_goes_on():
    async with served() as (_, url), stream(url) as socket:
        await socket.send('{"type": "sing"}')
        await socket.send('{"type": "text", "text": "hello"}')
        await socket.send('{"type": "stop"}')
        got, code = await until_closed(socket)
        said = [m["message"] for m in texts(got, "error")]
        assert said == [
            "type 'sing' is not known here",
            "passthrough takes no text: it takes audio.",
        ]
        assert code == 1000


async def test_audio_that_is_far_ahead_of_the_clock_is_no_live_voice():
    async with served() as (_, url), stream(url) as socket:
        for _ in range(5):
            await socket.send(bytes(60_000))  # 1.25 s each
        got, code = await until_closed(socket)
        assert code == 1008 and "5 s ahead of the clock" in texts(got, "error")[-1]["message"]


async def test_a_token_comes_in_the_header_or_in_the_first_message():
    async with served(from_secret(SECRET)) as (_, url):
        header = {"Authorization": f"Bearer {token()}"}
        async with stream(url, additional_headers=header) as socket:
            assert json.loads(await socket.recv())["state"] == "starting"
        async with stream(url) as socket:
            await socket.send(json.dumps({"type": "auth", "token": token()}))
            assert json.loads(await socket.recv())["state"] == "starting"
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/metrics")).status_code == 401
            assert (await http.get("/metrics", headers=header)).status_code == 200
            assert (await http.get("/healthz")).status_code == 200


async def test_without_a_good_token_nobody_comes_in(monkeypatch):
    monkeypatch.setattr(door, "TOKEN_S", 0.1)
    async with served(from_secret(SECRET)) as (service, url):
        bad = token(exp=1)
        with pytest.raises(websockets.InvalidStatus) as refused:
            await stream(url, additional_headers={"Authorization": f"Bearer {bad}"})
        assert refused.value.response.status_code == 401
        assert refused.value.response.body == b"the token has expired\n"
        for first in (None, FRAME, "{", '{"type": "auth"}', f'{{"type":"auth","token":"{bad}"}}'):
            async with stream(url) as socket:
                if first is not None:
                    await socket.send(first)
                got, code = await until_closed(socket)
            assert code == 4401 and len(got) == 1 and got[0]["type"] == "error"
            assert bad not in got[0]["message"]
        assert service.open == 0
        refused_by_token = 'duplex_lab_refused_total{why="token"}'
        assert refused_by_token.encode() in service.figures.text()


async def test_a_token_is_in_no_log(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    secret_tokens = [token(sub="good"), token(aud="another")]
    async with served(from_secret(SECRET)) as (service, url):
        for one in secret_tokens:
            with contextlib.suppress(websockets.InvalidStatus):
                async with stream(
                    url, additional_headers={"Authorization": f"Bearer {one}"}
                ) as socket:
                    await socket.send('{"type": "stop"}')
                    await until_closed(socket)
            async with stream(url) as socket:
                await socket.send(json.dumps({"type": "auth", "token": one}))
                await socket.send('{"type": "stop"}')
                got, _ = await until_closed(socket)
                assert one not in json.dumps(got, default=repr)
        figures = service.figures.text().decode()
    printed = capfd.readouterr()
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("websockets.client")]
    for one in secret_tokens:
        assert one not in figures + printed.out + printed.err + "\n".join(ours)


async def test_foreign_names_and_foreign_pages_are_refused_at_the_gate():
    async with served() as (_, url):
        async with httpx.AsyncClient(base_url=url) as http:
            for host in ("evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:80"):
                answer = await http.get("/readyz", headers={"Host": host})
                assert answer.status_code == 421, host
            foreign = await http.get("/readyz", headers={"Origin": "https://evil.example"})
            assert foreign.status_code == 403
            own = await http.get("/readyz", headers={"Origin": url})
            assert own.status_code == 200
        for origin in ("https://evil.example", "null", url.replace("http", "https")):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await stream(url, origin=origin)
            assert refused.value.response.status_code == 403
            assert b"pages of other sites" in refused.value.response.body
        async with stream(url, origin=url) as socket:
            assert json.loads(await socket.recv())["state"] == "starting"


async def test_a_silent_client_is_sent_away(monkeypatch):
    monkeypatch.setattr(door, "IDLE_S", 0.1)
    async with served() as (service, url), stream(url) as socket:
        got, code = await until_closed(socket)
        assert code == 1008 and texts(got, "error")[-1]["message"].startswith("nothing came for")
    assert service.open == 0


@pytest.mark.parametrize("reads_at_last", [True, False])
async def test_a_client_that_does_not_read_is_sent_away_and_its_seat_is_free(
    monkeypatch, reads_at_last
):
    monkeypatch.setattr(conversation, "MOST_WAITING_NS", NS_PER_S // 5)
    monkeypatch.setattr(doors, "AHEAD_S", 60.0)
    monkeypatch.setattr(pace, "AHEAD_NS", 60 * NS_PER_S)  # all of it is heard at once
    monkeypatch.setattr(doors, "LAST_WORDS_S", 2.0 if reads_at_last else 0.1)
    monkeypatch.setattr(running, "HEADER_S", 0.2)
    async with served() as (service, url):
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        own.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        # One message waits at the client's; then it reads no more.
        async with stream(url, sock=own, max_queue=1, compression=None) as client:
            for _ in range(20):  # 27 s: what the sockets hold, and more
                await client.send(tone(5_000) * 17)
            async with asyncio.timeout(5):
                while any(talk.state != "closed" for talk in service._open):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            if reads_at_last:
                got, code = await until_closed(client)
                assert texts(got, "status")[-1] == {
                    "type": "status",
                    "state": "closed",
                    "reason": "whoever reads the session's events did not keep up.",
                }
            async with asyncio.timeout(5):
                while service.open:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            if not reads_at_last:
                await asyncio.sleep(0.8)
                got, code = await until_closed(client)
                assert code == 1006  # cut off, in the end
        assert (
            b'conversations_failed_total{door="stream",preset="passthrough"} 1.0'
            in service.figures.text()
        )


async def test_a_request_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr(running, "HEADER_S", 0.2)
    async with served() as (_, url):
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/stream HTTP/1.1\r\nHost: ")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_a_full_server_refuses_in_a_sentence_and_goes_on():
    async with served(limits=Limits(connections=3)) as (_, url):
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                socket = await stack.enter_async_context(stream(url))
                assert json.loads(await socket.recv())["state"] == "starting"
            with pytest.raises(websockets.InvalidStatus) as refused:
                await stream(url)
            assert refused.value.response.status_code == 503
            assert b"the server is full" in refused.value.response.body
            assert refused.value.response.headers["retry-after"] == "5"
        await asyncio.sleep(0.1)
        async with stream(url) as socket:
            assert json.loads(await socket.recv())["state"] == "starting"


async def test_beyond_the_most_conversations_a_client_is_told_when_to_try_again():
    async with served(limits=Limits(conversations=1)) as (service, url), stream(url) as first:
        assert json.loads(await first.recv())["state"] == "starting"
        async with stream(url) as second:
            got, code = await until_closed(second)
        assert code == 1013
        (said,) = texts(got, "error")
        assert said["message"].startswith("the server is in 1 conversations, the most that it may")
        async with httpx.AsyncClient(base_url=url) as http:
            offer = {"type": "offer", "sdp": "v=0 opus/48000"}
            answer = await http.post("/api/offer", json=offer)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "try again in a few seconds" in answer.text
        assert b'refused_total{why="full"} 2.0' in service.figures.text()


async def test_a_client_is_read_on_while_a_few_messages_wait_and_no_further():
    calls: list[str] = []
    kind = running._socket_class()
    one = object.__new__(kind)
    one.queue, one.read_paused, one.close_sent, one.curr_msg_data_type = Queue(), False, False, "b"
    one.transport = SimpleNamespace(
        pause_reading=lambda: calls.append("pause"), resume_reading=lambda: calls.append("resume")
    )
    for _ in range(running.MOST_READ):
        one.frames = [b"x"]
        one.send_receive_event_to_app()
    assert not calls
    for _ in range(2):
        one.frames = [b"y"]
        one.send_receive_event_to_app()
    assert calls == ["pause"]
    taken = [(await one.receive())["bytes"] for _ in range(running.MOST_READ + 2)]
    assert taken == [b"x"] * running.MOST_READ + [b"y"] * 2 and calls == ["pause", "resume"]


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4_096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_connections_that_say_nothing_keep_nobody_out_for_long(monkeypatch):
    monkeypatch.setattr(running, "HEADER_S", 0.5)
    loop = asyncio.get_running_loop()
    async with served() as (_, url), contextlib.AsyncExitStack() as stack:
        port = int(url.rpartition(":")[2])
        held = []
        for k in range(1_000):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            one.setblocking(False)
            if k % 2:
                one.send(b"GET / HTTP/1.1\r\n")
            held.append(one)
            if k % 100 == 0:
                await asyncio.sleep(0)  # the server takes them on this very loop
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/healthz")).text == "ok\n"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await stream(url)
        assert refused.value.response.status_code == 503
        async with asyncio.timeout(30):
            for one in held:
                with contextlib.suppress(ConnectionError):
                    assert await loop.sock_recv(one, 1) == b""
        async with stream(url) as talk:
            assert json.loads(await talk.recv())["state"] == "starting"


async def test_the_end_of_the_server_is_told_to_every_conversation():
    service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(service, Address(port=0)))
        sockets = [await stream(url) for _ in range(3)]
        for socket in sockets:
            await socket.recv()
        talks = [asyncio.create_task(until_closed(socket)) for socket in sockets]
        await stack.aclose()
        for got, code in await asyncio.gather(*talks):
            (closed,) = [m for m in texts(got, "status") if m["state"] == "closed"]
            assert closed["reason"] == "the server is shutting down" and code in (1000, 1012)


def test_beyond_this_machine_nobody_is_served_without_tokens():
    for host in ("0.0.0.0", "::", "192.0.2.7", "example.org"):
        with pytest.raises(LabError, match="without a token"):
            check(Address(host), None)
        check(Address(host), from_secret(SECRET))
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        check(Address(host), None)


async def test_a_port_that_is_taken_is_said():
    async with served() as (_, url):
        port = int(url.rpartition(":")[2])
        with pytest.raises(LabError, match=f"127.0.0.1:{port} .*choose another --port"):
            async with serving(VoiceService([], steps=("clerk",)), Address(port=port)):
                pass
