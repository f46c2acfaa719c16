"""https and wss: a certificate of files or of this start, the same at every door."""

import json
import re
import ssl

import httpx
import numpy as np
import pytest
import websockets
from websockets.typing import Subprotocol

from pipelines.certificate import pem
from pipelines.server.access.tls import from_files, self_made
from pipelines.server.access.tokens import AccessError
from pipelines.server.app.address import Address
from pipelines.server.app.run import serving
from pipelines.server.protocols.twilio_request import signature
from pipelines.server.service.service import VoiceService
from pipelines.wires import g711, twilio
from tests.pipelines.server.doors.served import TRUSTING


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(certificate, key) of this machine."""
    folder = tmp_path_factory.mktemp("tls")
    held = pem(["127.0.0.1"])
    at = held.index(b"-----BEGIN CERTIFICATE")
    for name, part in (("key", held[:at]), ("cert", held[at:])):
        (folder / f"{name}.pem").write_bytes(part)
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("own", [True, False])
async def test_every_door_speaks_tls(files, own):
    secure = self_made(["127.0.0.1"]) if own else from_files(*files)
    service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
    async with serving(service, Address(port=0, secure=secure), twilio_token="t" * 32) as url:
        assert url.startswith("https://127.0.0.1:")
        trusting = TRUSTING if own else ssl.create_default_context(cafile=files[0])
        async with httpx.AsyncClient(verify=trusting, base_url=url) as http:
            for path in ("/healthz", "/metrics", "/talk", "/face"):
                assert (await http.get(path)).status_code == 200
            for path in ("/api/offer", "/offer"):
                assert (await http.post(path, content=b"{")).status_code == 400
            assert (await http.post("/twilio/voice")).status_code == 403  # not signed
        wss = url.replace("https", "wss")
        for path, protocols in (
            ("/v1/stream", None),
            ("/v1/realtime", [Subprotocol("realtime")]),
            ("/face", None),
        ):
            async with websockets.connect(wss + path, ssl=trusting, subprotocols=protocols) as door:
                assert await door.recv()
        async with websockets.connect(f"{wss}/api/chat", ssl=trusting) as door:
            assert await door.recv() == b"\0"  # the handshake
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.TransportError):
                await http.get(url.replace("https", "http") + "/healthz")


async def test_a_call_by_telephone_is_sent_to_the_stream_by_wss_and_is_held_there(files):
    service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
    address = Address(port=0, secure=from_files(*files))
    trusting = ssl.create_default_context(cafile=files[0])
    async with serving(service, address, twilio_token="t" * 32) as url:
        async with httpx.AsyncClient(verify=trusting) as http:
            webhook = f"{url}/twilio/voice"
            signed = {"X-Twilio-Signature": signature("t" * 32, webhook)}
            twiml = (await http.post(webhook, headers=signed)).text
        (stream,) = re.findall(r'<Stream url="(.*?)"', twiml)
        (ticket,) = re.findall(r'name="ticket" value="(.*?)"', twiml)
        assert stream == f"{url.replace('https', 'wss')}/twilio/media"
        async with websockets.connect(stream, ssl=trusting) as call:
            await call.send(json.dumps(twilio.connected()))
            await call.send(json.dumps(twilio.start("MZ1", "CA1", {"ticket": ticket})))
            codes = g711.encode(np.full(160, 6_000, np.int16))
            for k in range(20):
                await call.send(json.dumps(twilio.inbound("MZ1", k + 2, k, codes)))
            assert json.loads(await call.recv())["event"] == "media"


async def test_a_page_of_the_plain_address_is_another_site(files):
    service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
    address = Address(port=0, secure=from_files(*files))
    async with serving(service, address) as url, httpx.AsyncClient(verify=TRUSTING) as http:
        for origin, status in ((url, 200), (url.replace("https", "http"), 403)):
            answer = await http.get(f"{url}/healthz", headers={"Origin": origin})
            assert answer.status_code == status


def test_what_is_no_certificate_is_one_sentence(files, tmp_path):
    cert, key = files
    for wrong in ((key, cert), (cert, cert), (tmp_path / "none", key), (cert, tmp_path)):
        with pytest.raises(AccessError) as error:
            from_files(*wrong)
        assert str(wrong[0]) in str(error.value) or str(wrong[1]) in str(error.value)
        assert "\n" not in str(error.value)
    other = tmp_path / "other.pem"
    held = pem(["127.0.0.1"])
    other.write_bytes(held[: held.index(b"-----BEGIN CERTIFICATE")])
    with pytest.raises(AccessError, match="KEY_VALUES_MISMATCH"):
        from_files(cert, other)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    with pytest.raises(AccessError, match="no certificate with its key"):
        from_files(cert, locked)


def test_who_listens_everywhere_is_called_by_its_own_numbers():
    everywhere = Address("0.0.0.0", 8000)
    (number,) = everywhere.numbers
    assert {number, "127.0.0.1", "localhost", "0.0.0.0"} <= set(everywhere.names)
    assert everywhere.url(8000) == f"http://{number}:8000"
    assert Address("::1").url(80) == "http://127.0.0.1:80"
    assert Address("2001:db8::7").names[3] == "[2001:db8::7]"
    assert Address("2001:db8::7").url(80) == "http://[2001:db8::7]:80"
