import asyncio
import json

import aiohttp
import pytest

from pipelines.face.feed import AGENT, HEAD, SocketFeed, audio_message
from pipelines.server.server import Clocks, FaceServer

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
async def server():
    server = FaceServer("test")
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


def url(server, path):
    return f"http://127.0.0.1:{server.port}{path}"


async def next_of(socket, kind):
    """The next message of a type; pings come between."""
    while True:
        message = await asyncio.wait_for(socket.receive(), 10)
        if message.type is kind and "ping" not in str(message.data):
            return message.data


async def test_the_page_is_served_with_a_policy_that_loads_nothing(server, session):
    async with session.get(url(server, "/")) as answer:
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "<canvas" in await answer.text()


async def test_a_page_is_greeted_and_sent_what_a_feed_brings(server, session):
    async with session.ws_connect(url(server, "/face")) as page:
        hello = json.loads(await next_of(page, aiohttp.WSMsgType.TEXT))
        assert (hello["type"], hello["mode"]) == ("hello", "fixtures")
        async with SocketFeed(url(server, f"/feed?token={server.token}")) as feed:
            feed.put('{"v":1}')
            feed.put(audio_message(AGENT, 24000, 1920, b"\1\0"))
            assert await next_of(page, aiohttp.WSMsgType.TEXT) == '{"v":1}'
            samples = await next_of(page, aiohttp.WSMsgType.BINARY)
    assert HEAD.unpack(samples[:16]) == (AGENT, 24000, 0, 1920)
    assert samples[16:] == b"\1\0"


async def test_nobody_feeds_the_face_without_the_token(server, session):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(url(server, "/feed?token=guess"))
    assert refused.value.status == 403


async def test_a_page_of_another_site_may_not_listen(server, session):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(url(server, "/face"), origin="http://elsewhere.example")
    assert refused.value.status == 403


async def test_what_a_page_measured_is_kept_and_nonsense_is_not(server, session):
    async with session.ws_connect(url(server, "/face")) as page:
        for text in ("nonsense", "[]", '{"type":"rows","rows":7}', '{"type":"pong","t_ns":"x"}'):
            await page.send_str(text)
        await page.send_str('{"type":"rows","rows":[{"at":0}, 5]}')
        await page.send_str('{"type":"ready"}')
        await asyncio.wait_for(server.ready.wait(), 10)
    assert server.reports[0].rows == [{"at": 0}]


async def test_without_a_live_call_an_offer_is_refused_in_a_sentence(server, session):
    async with session.post(url(server, "/offer"), json={}) as answer:
        assert answer.status == 404
        assert "recorded users" in await answer.text()


def test_the_page_s_clock_is_taken_from_the_quickest_ping():
    clocks = Clocks()
    clocks.pong(1_000_000, 5.0, 9_000_000)  # 8 ms there and back
    clocks.pong(20_000_000, 20.0, 22_000_000)  # 2 ms: better
    clocks.pong(30_000_000, 99.0, 40_000_000)
    assert clocks.rtt_ns == 2_000_000
    assert clocks.offset_ns == 21_000_000 - 20_000_000


async def test_a_feed_without_a_server_drops_what_does_not_fit_and_never_waits():
    async with SocketFeed("http://127.0.0.1:9/feed") as feed:
        for i in range(1003):
            feed.put(str(i))
        assert feed.dropped == 3
