"""Who may speak to the face's server, and what it says to the others."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from pipelines.face.feed import AGENT, HEAD
from pipelines.server.guard import Guard
from pipelines.server.offer import BodyError, read_offer
from pipelines.server.server import FaceServer, check_fed

pytestmark = pytest.mark.timeout(30)
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n"


@pytest.fixture
async def server():
    async def offer(table):
        raise KeyError("a=mid\nTraceback")

    server = FaceServer("test", "live", offer)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def status(session, server, path="/", **headers):
    url = f"http://127.0.0.1:{server.port}{path}"
    async with session.get(url, headers=headers) as answer:
        return answer.status


async def test_only_the_names_of_this_machine_may_be_called(server, session):
    assert await status(session, server) == 200
    assert await status(session, server, Host=f"localhost:{server.port}") == 200
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1", "localhost:1", ""):
        assert await status(session, server, Host=host) == 421
        assert await status(session, server, path="/nowhere", Host=host) == 421


@pytest.mark.parametrize("origin", ["null", "https://127.0.0.1:{}", "http://127.0.0.1", "x://"])
async def test_an_origin_must_be_ours_in_scheme_host_and_port(server, session, origin):
    assert await status(session, server, Origin=origin.format(server.port)) == 403
    assert await status(session, server, Origin=f"http://127.0.0.1:{server.port}") == 200
    assert await status(session, server, Origin=f"http://localhost:{server.port}") == 200


async def test_a_host_that_is_said_twice_is_refused(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    good = f"Host: 127.0.0.1:{server.port}\r\n"
    writer.write(f"GET / HTTP/1.1\r\n{good}Host: evil.example\r\n\r\n".encode())
    first = await asyncio.wait_for(reader.readline(), 10)
    assert first.split()[1] in (b"400", b"421")
    writer.close()


async def test_beyond_this_machine_nothing_is_served_without_the_key(session):
    port = 0
    guard = Guard("http", ("127.0.0.1",), lambda: port, needs_key=True)
    app = web.Application(middlewares=[guard.check])

    async def page(_request):
        return web.Response(text="the page")

    app.add_routes([web.get("/", page)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    url = f"http://127.0.0.1:{port}/"
    try:
        for path in ("", "nowhere", "?key=", "?key=guess", "?key=%ed%a0%80"):
            async with session.get(url + path) as answer:
                assert answer.status == 403
                assert "scan its QR code" in await answer.text()
        async with session.get(f"{url}?key={guard.key}", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            cookie = answer.cookies[f"duplex-lab-{port}"]
            assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
            assert cookie.value != guard.key and guard.key not in str(answer.headers["Location"])
        async with session.get(url) as answer:
            assert await answer.text() == "the page"
        session.cookie_jar.update_cookies({f"duplex-lab-{port}": "x"}, answer.url)
        async with session.get(url) as answer:
            assert answer.status == 403
    finally:
        await runner.cleanup()


def test_each_start_has_its_own_key():
    guards = [Guard("https", ("127.0.0.1",), lambda: 443) for _ in range(2)]
    assert guards[0].key != guards[1].key
    assert guards[0].key not in repr(guards[0])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "it is no JSON"),
        (b"\xff", "it is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "no JSON object"),
        (b"{}", "its type is not 'offer'"),
        (b'{"type": "offer"}', "its sdp is no session description"),
        (b'{"type": "offer", "sdp": 7}', "its sdp is no session description"),
        (json.dumps({"type": "answer", "sdp": SDP}).encode(), "its type is not 'offer'"),
    ],
)
async def test_a_body_that_is_no_offer_is_a_sentence(server, session, body, told):
    with pytest.raises(BodyError, match=told):
        read_offer(body)
    async with session.post(f"http://127.0.0.1:{server.port}/offer", data=body) as answer:
        assert answer.status == 400
        text = await answer.text()
    assert text.startswith("this is no offer of a call: ") and told in text and "\n" not in text


async def test_an_offer_that_webrtc_cannot_use_is_a_sentence(server, session):
    url = f"http://127.0.0.1:{server.port}/offer"
    async with session.post(url, json={"type": "offer", "sdp": SDP}) as answer:
        assert answer.status == 400
        assert await answer.text() == "the call failed: KeyError: 'a=mid\\nTraceback'"
    async with session.post(url, data=b"x" * 2**19) as answer:
        assert answer.status == 413


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
async def test_what_a_feed_may_not_bring_ends_it_with_a_sentence(server, session, data, told):
    with pytest.raises(BodyError, match=told):
        check_fed(data)
    url = f"http://127.0.0.1:{server.port}/feed?token={server.token}"
    async with session.ws_connect(url) as feed:
        await (feed.send_str(data) if isinstance(data, str) else feed.send_bytes(data))
        closed = await asyncio.wait_for(feed.receive(), 10)
    assert closed.type is aiohttp.WSMsgType.CLOSE
    assert (closed.data, told in closed.extra) == (1007, True)
    async with session.get(url) as answer:
        assert answer.status == 400


async def test_what_a_page_says_never_ends_it(server, session):
    async with session.ws_connect(f"http://127.0.0.1:{server.port}/face") as page:
        for text in ("[" * 100_000, '{"type":"pong","t_ns":1,"page_ms":1e999}'):
            await page.send_str(text)
        await page.send_str('{"type":"ready"}')
        await asyncio.wait_for(server.ready.wait(), 10)
        server.put('{"type":"words","text":"still here"}')
        while "words" not in (said := (await asyncio.wait_for(page.receive(), 10)).data):
            pass
    assert json.loads(said)["text"] == "still here"


async def test_a_page_is_told_texts_with_half_a_character(server, session):
    async with session.ws_connect(f"http://127.0.0.1:{server.port}/face") as page:
        await page.receive()
        server.put('{"type":"words","text":"a\ud800b"}')
        while "words" not in (said := (await asyncio.wait_for(page.receive(), 10)).data):
            pass
    assert json.loads(said)["text"] == "a\ufffdb"
