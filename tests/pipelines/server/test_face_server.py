"""The page of recorded users: what a feed brings reaches it, and what it measured is kept."""

import asyncio
import json
from urllib.parse import urlsplit

import aiohttp
import pytest

from pipelines.errors import LabError
from pipelines.face.feed import AGENT, HEAD, SocketFeed, audio_message
from pipelines.server.app.thread import Serving
from pipelines.server.offer import BodyError
from pipelines.server.stage import WAITING, Clocks, Stage, check_fed

pytestmark = pytest.mark.timeout(30)


def url(served, path):
    return f"http://{urlsplit(served.url).netloc}{path}"


async def next_of(socket, kind):
    """The next message of a type; pings come between."""
    while True:
        message = await asyncio.wait_for(socket.receive(), 10)
        if message.type is kind and "ping" not in str(message.data):
            return message.data


async def test_the_page_is_served_with_a_policy_that_loads_nothing(served, session):
    for path in ("/", "/face"):
        async with session.get(url(served, path)) as answer:
            assert (answer.status, answer.url.path) == (200, "/face")
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "<canvas" in await answer.text()


async def test_a_page_is_greeted_and_sent_what_a_feed_brings(served, session):
    async with session.ws_connect(url(served, "/face")) as page:
        hello = json.loads(await next_of(page, aiohttp.WSMsgType.TEXT))
        assert (hello["type"], hello["mode"], hello["title"]) == ("hello", "fixtures", "test")
        async with SocketFeed(served.feed_url) as feed:
            feed.put('{"v":1}')
            feed.put(audio_message(AGENT, 24000, 1920, b"\1\0"))
            assert await next_of(page, aiohttp.WSMsgType.TEXT) == '{"v":1}'
            samples = await next_of(page, aiohttp.WSMsgType.BINARY)
    assert HEAD.unpack(samples[:16]) == (AGENT, 24000, 0, 1920)
    assert samples[16:] == b"\1\0"


async def test_nobody_feeds_the_face_without_the_token(served, session):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(url(served, "/feed?token=guess"))
    assert refused.value.status == 403


async def test_what_a_page_measured_is_kept_and_nonsense_is_not(served, session):
    async with session.ws_connect(url(served, "/face")) as page:
        number = len(served.stage.reports) - 1
        for text in ("nonsense", "[]", '{"type":"rows","rows":7}', '{"type":"pong","t_ns":"x"}'):
            await page.send_str(text)
        await page.send_str('{"type":"rows","rows":[{"at":0}, 5]}')
        await page.send_bytes(b"nonsense")
        await page.send_str('{"type":"ready"}')
        assert await asyncio.to_thread(served.wait_ready, 10)
    assert served.stage.reports[number].rows == [{"at": 0}]


async def test_without_a_live_call_an_offer_is_refused_in_a_sentence(served, session):
    async with session.post(url(served, "/offer"), json={}) as answer:
        assert answer.status == 404
        assert "recorded users" in await answer.text()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("nonsense", "no JSON"),
        ("7", "no JSON object"),
        ("{" * 100_000, "no JSON"),
        (b"", "audio of 0 bytes"),
        (b"\0" * 17, "audio of 17 bytes"),
        (HEAD.pack(9, 24_000, 0, 0), "audio of kind 9"),
        (HEAD.pack(AGENT, 0, 0, 0), "audio at 0 Hz"),
    ],
)
async def test_what_a_feed_may_not_bring_ends_it_with_a_sentence(served, session, data, told):
    with pytest.raises(BodyError, match=told):
        check_fed(data)
    async with session.ws_connect(served.feed_url) as feed:
        await (feed.send_str(data) if isinstance(data, str) else feed.send_bytes(data))
        closed = await asyncio.wait_for(feed.receive(), 10)
    assert closed.type is aiohttp.WSMsgType.CLOSE
    assert (closed.data, told in closed.extra) == (1007, True)


async def test_what_a_page_says_never_ends_it(served, session):
    async with session.ws_connect(url(served, "/face")) as page:
        for text in ("[" * 100_000, '{"type":"pong","t_ns":1,"page_ms":1e999}'):
            await page.send_str(text)
        served.put('{"type":"words","text":"still here"}')
        while "words" not in (said := (await asyncio.wait_for(page.receive(), 10)).data):
            pass
    assert json.loads(said)["text"] == "still here"


async def test_a_page_is_told_texts_with_half_a_character(served, session):
    async with session.ws_connect(url(served, "/face")) as page:
        await page.receive()
        served.put('{"type":"words","text":"a\ud800b"}')
        while "words" not in (said := (await asyncio.wait_for(page.receive(), 10)).data):
            pass
    assert json.loads(said)["text"] == "a\ufffdb"


def test_the_page_s_clock_is_taken_from_the_quickest_ping():
    clocks = Clocks()
    clocks.pong(1_000_000, 5.0, 9_000_000)  # 8 ms there and back
    clocks.pong(20_000_000, 20.0, 22_000_000)  # 2 ms: better
    clocks.pong(30_000_000, 99.0, 40_000_000)
    assert clocks.rtt_ns == 2_000_000
    assert clocks.offset_ns == 21_000_000 - 20_000_000


async def test_a_page_that_does_not_keep_up_is_let_go_and_the_others_are_not():
    stage = Stage("test")
    slow, fast = stage.enter(), stage.enter()
    for number in range(WAITING):
        stage.put(str(number))
        await fast[1].get()
    assert await slow[1].get() is None
    stage.put("last")
    assert [await fast[1].get() for _ in range(2)] == [str(WAITING - 1), "last"]


async def test_a_feed_without_a_server_drops_what_does_not_fit_and_never_waits():
    async with SocketFeed("http://127.0.0.1:9/feed") as feed:
        for i in range(1003):
            feed.put(str(i))
        assert feed.dropped == 3


def test_a_port_that_is_taken_is_one_sentence(served):
    port = urlsplit(served.url).port
    second = Serving(Stage("the same again"), port)
    with pytest.raises(LabError, match=f"can't listen at 127.0.0.1:{port}"), second:
        pass
