"""Beyond this machine a page has a key: in the printed address, exchanged for a cookie."""

import ssl
from urllib.parse import urlsplit

import aiohttp
import pytest

from pipelines.certificate import qr_code
from pipelines.errors import LabError
from pipelines.server.access.key import PageKey
from pipelines.server.app.address import Address
from pipelines.server.app.run import check, serving
from pipelines.server.app.thread import Serving
from pipelines.server.doors.door import People
from pipelines.server.service.service import VoiceService
from pipelines.server.stage import Stage
from tests.pipelines.server.doors.served import TRUSTING

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
async def session():
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of a bare address
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield session


async def test_nothing_is_served_without_the_key(session):
    key = PageKey()
    service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
    async with serving(service, Address(port=0), people=People(key=key)) as url:
        port = urlsplit(url).port
        for path in ("/", "/talk", "/nowhere", "/?key=", "/?key=guess", "/?key=%ed%a0%80"):
            async with session.get(url + path) as answer:
                assert answer.status == 403
                assert "scan its QR code" in await answer.text()
        for door in ("/face", "/v1/stream", f"/v1/stream{key.query}"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url + door)
            assert refused.value.status == 403
        there = f"{url}/talk{key.query}&preset=passthrough"
        async with session.get(there, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/talk?preset=passthrough")
            cookie = answer.cookies[f"duplex-lab-{port}"]
            assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
            assert cookie.value != key.text and key.text not in str(answer.headers)
            assert not cookie["secure"]  # of plain http
        async with session.get(f"{url}/talk") as answer:
            assert "<canvas" in await answer.text()
        async with session.ws_connect(f"{url}/face") as page:
            assert "hello" in (await page.receive()).data
        session.cookie_jar.update_cookies({f"duplex-lab-{port}": "x"}, answer.url)
        async with session.get(f"{url}/talk") as answer:
            assert answer.status == 403


async def test_the_way_to_the_page_leads_nowhere_else(session):
    key = PageKey()
    service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
    async with serving(service, Address(port=0), people=People(key=key)) as url:
        there = f"{url}//elsewhere.example/{key.query}"
        async with session.get(there, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/elsewhere.example/")


def test_each_start_has_its_own_key_which_no_log_shows():
    keys = [PageKey() for _ in range(2)]
    assert keys[0].text != keys[1].text and keys[0].cookie != keys[1].cookie
    assert keys[0].text not in repr(keys[0]) and keys[0].cookie not in repr(keys[0])


def test_who_listens_beyond_this_machine_asks_for_a_token_or_a_key():
    everywhere = Address("0.0.0.0")
    with pytest.raises(LabError, match="without a token"):
        check(everywhere, None)
    check(everywhere, None, PageKey())


async def test_https_serves_the_page_and_feeds_stay_plain(session):
    with Serving(Stage("test"), 0, https=True) as serving:
        port = urlsplit(serving.url).port
        page = f"https://127.0.0.1:{port}/face"
        async with session.get(page, ssl=TRUSTING) as answer:
            assert answer.status == 403
        async with session.get(f"{page}?{urlsplit(serving.url).query}", ssl=TRUSTING) as answer:
            assert "<canvas" in await answer.text()
            assert str(answer.url) == page
            cookie = answer.history[0].cookies[f"duplex-lab-{port}"]
            assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")
        feed = urlsplit(serving.feed_url)
        assert feed.hostname == "127.0.0.1" and feed.port != port
        for away in ("face", "offer"):
            async with session.get(f"http://{feed.netloc}/{away}") as answer:
                assert answer.status == 404
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"https://127.0.0.1:{port}/feed?{feed.query}", ssl=TRUSTING)
        assert refused.value.status in (403, 404)  # there is no such door
        async with session.ws_connect(serving.feed_url) as socket:
            assert not socket.closed
        trusting = ssl.create_default_context()
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(page, ssl=trusting)


def test_the_address_is_drawn_as_a_qr_code():
    assert qr_code("https://192.0.2.1:8080/").count("\n") > 10
