"""The gate: by which names the server may be called, and from which pages."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from pipelines.server.offer import BodyError, read_offer

pytestmark = pytest.mark.timeout(30)


def port_of(served):
    return urlsplit(served.url).port


async def status(session, served, path="/face", **headers):
    url = f"http://127.0.0.1:{port_of(served)}{path}"
    async with session.get(url, headers=headers) as answer:
        return answer.status


async def test_only_the_names_of_this_machine_may_be_called(served, session):
    port = port_of(served)
    assert await status(session, served) == 200
    assert await status(session, served, Host=f"localhost:{port}") == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "localhost:1", ""):
        assert await status(session, served, Host=host) == 421
        assert await status(session, served, path="/nowhere", Host=host) == 421


@pytest.mark.parametrize("origin", ["null", "https://127.0.0.1:{}", "http://127.0.0.1", "x://"])
async def test_an_origin_must_be_ours_in_scheme_host_and_port(served, session, origin):
    port = port_of(served)
    assert await status(session, served, Origin=origin.format(port)) == 403
    assert await status(session, served, Origin=f"http://127.0.0.1:{port}") == 200
    assert await status(session, served, Origin=f"http://localhost:{port}") == 200


async def test_a_page_of_another_site_may_not_listen(served, session):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(served.url, origin="http://elsewhere.example")
    assert refused.value.status == 403


async def test_a_host_that_is_said_twice_is_refused(served):
    port = port_of(served)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    good = f"Host: 127.0.0.1:{port}\r\n"
    writer.write(f"GET /face HTTP/1.1\r\n{good}Host: evil.example\r\n\r\n".encode())
    first = await asyncio.wait_for(reader.readline(), 10)
    assert first.split()[1] in (b"400", b"421")
    writer.close()


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
        (b'{"type": "offer", "sdp": "v=0"}', "its sdp offers no audio in Opus"),
        (b'{"type": "answer", "sdp": "v=0"}', "its type is not 'offer'"),
    ],
)
def test_a_body_that_is_no_offer_is_a_sentence(body, told):
    with pytest.raises(BodyError, match=told) as error:
        read_offer(body)
    assert "\n" not in str(error.value)


def test_an_offer_is_its_type_and_its_description():
    body = b'{"type": "offer", "sdp": "v=0\\r\\na=rtpmap:96 opus/48000/2", "call": "x"}'
    assert read_offer(body) == {"type": "offer", "sdp": "v=0\r\na=rtpmap:96 opus/48000/2"}
