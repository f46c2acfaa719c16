"""The sidecar: one contract over HTTP in JSON and CBOR, and over a Unix socket."""

import asyncio
import base64
import contextlib
import stat
import struct

import cbor2
import httpx
import pytest

from pipelines.errors import LabError
from pipelines.server.app.address import Address
from pipelines.server.app.run import Beside, serving
from pipelines.server.service.service import Limits, VoiceService
from pipelines.server.session.doubles import tone
from pipelines.server.sidecar import contract, unix
from pipelines.server.sidecar.contract import MOST_BYTES, Sidecar
from pipelines.server.sidecar.http import make_app

LOUD = tone(9_000)


@contextlib.asynccontextmanager
async def sidecar(**limits):
    service = VoiceService([], Limits(**limits), steps=("passthrough", "clerk"))
    await service.start()
    made = Sidecar(service)
    try:
        yield made
    finally:
        await made.aclose()
        await service.close()
        assert service.open == 0


def web(made):
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(make_app(made)), base_url="http://127.0.0.1"
    )


class Client:
    """Of the Unix socket."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, request):
        body = cbor2.dumps(request)
        self.writer.write(struct.pack(">I", len(body)) + body)
        return await self.read()

    async def read(self):
        (length,) = struct.unpack(">I", await self.reader.readexactly(4))
        return cbor2.loads(await self.reader.readexactly(length))


@contextlib.asynccontextmanager
async def on_socket(made, path):
    async with unix.serving(made, path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


def audio(answer):
    return [e for e in answer["events"] if e["event"] == "audio"]


async def converse(ask):
    """One conversation with the clerk; the same over every wire."""
    assert (await ask({"op": "health"})) == {
        "ok": True,
        "ready": True,
        "draining": False,
        "open": 0,
    }
    can = await ask({"op": "capabilities"})
    assert can["presets"]["clerk"]["inputs"] == ["audio", "tool_result"]
    opened = await ask({"op": "open", "preset": "clerk"})
    of = {"session": opened["session"]}
    await ask({"op": "step", **of})  # its states so far
    heard = await ask({"op": "step", **of, "pcm": LOUD, "wait_ms": 2_000})
    while not audio(heard):
        more = await ask({"op": "step", **of, "wait_ms": 2_000})
        heard["events"] += more["events"]
    (call,) = [e for e in heard["events"] if e["event"] == "tool_call"]
    assert (call["name"], call["arguments"]) == ("look_up", {"what": "the red cup"})
    (filler,) = audio(heard)
    assert (filler["is_filler"], filler["sequence"], filler["rate_hz"]) == (True, 0, 24_000)
    result = {"kind": "tool_result", "call_id": call["call_id"], "output": "on the table"}
    assert (await ask({"op": "send", **of, "input": result})) == {"ok": True}
    said = await ask({"op": "step", **of, "wait_ms": 2_000})
    while not audio(said):
        said["events"] += (await ask({"op": "step", **of, "wait_ms": 2_000}))["events"]
    assert [e["text"] for e in said["events"] if e["event"] == "assistant_partial"] == [
        "on the table"
    ]
    closed = await ask({"op": "close", **of})
    assert closed["events"][-1]["event"] == "closed"
    gone = await ask({"op": "step", **of})
    assert gone == {
        "ok": False,
        "error": "there is no such session: it was closed, or never opened",
    }
    return audio(said)[0]["pcm"]


async def test_a_conversation_is_the_same_over_every_wire(tmp_path):
    async with sidecar() as made, web(made) as http:

        async def by_cbor(request):
            answer = await http.post(
                "/v1/step", content=cbor2.dumps(request), headers={"content-type": contract_type}
            )
            return cbor2.loads(answer.content)

        async def by_json(request):
            if "pcm" in request:
                request = {**request, "pcm": base64.b64encode(request["pcm"]).decode()}
            return (await http.post("/v1/step", json=request)).json()

        contract_type = "application/cbor"
        assert await converse(made.answer) == await converse(by_cbor) == tone(8_000)
        assert base64.b64decode(await converse(by_json)) == tone(8_000)
        async with on_socket(made, tmp_path / "s") as client:
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
            assert await converse(client.ask) == tone(8_000)
        assert not (tmp_path / "s").exists()
        assert (await http.get("/healthz")).text == "ok\n"
        assert (await http.get("/readyz")).status_code == 200
        found = (await http.get("/v1/capabilities")).json()["presets"]
        assert set(found) == {"passthrough", "clerk"}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ([], "a request is a table"),
        ({"op": "dance"}, "op is one of health"),
        ({"op": ["step"]}, "op is one of health"),
        ({"op": "open", "preset": 3}, "preset is a text"),
        ({"op": "open", "preset": "nope"}, "'nope' is not served here"),
        ({"op": "step", "session": "x"}, "no such session"),
        ({"op": "step", "pcm": "text"}, "pcm is int16 audio"),
        ({"op": "step", "pcm": b"abc"}, "3 bytes are no whole number"),
        ({"op": "step", "pcm": bytes(2 * 24_000 * 11)}, "10 s of audio at most"),
        ({"op": "step", "wait_ms": 60_000}, "wait_ms is a whole number from 0 to 5000"),
        ({"op": "send", "input": {"kind": "sing"}}, "kind is one of text, say"),
        ({"op": "send", "input": {"kind": "text", "words": "x"}}, "words does not fit"),
        ({"op": "send", "input": {"kind": "text", "text": 3}}, "text does not fit"),
        ({"op": "send", "input": {"kind": "text"}}, "text"),
        ({"op": "send", "input": {"kind": "command", "name": "die"}}, "interrupt or respond"),
        ({"op": "send", "input": {"kind": "text", "text": "x"}}, "passthrough takes no text"),
    ],
)
async def test_a_request_that_is_not_of_the_contract_gets_a_sentence(request_, said):
    async with sidecar() as made:
        if isinstance(request_, dict) and request_.get("op") in ("step", "send"):
            opened = await made.answer({"op": "open"})
            request_ = {"session": opened["session"], **request_}
        answer = await made.answer(request_)
        assert answer["ok"] is False and said in answer["error"]


async def test_what_is_no_json_or_no_cbor_is_refused_over_http():
    async with sidecar() as made, web(made) as http:
        cbor = {"content-type": "application/cbor"}
        for body in (b"", b"\xff", b"\x9f", b"\x81" * 5_000, cbor2.dumps({}) + b"x"):
            answer = await http.post("/v1/step", content=body, headers=cbor)
            assert answer.status_code == 400 and "CBOR" in answer.text, body[:9]
        for body in (b"", b"{", b"[" * 9_000, b'{"op": "step", "pcm": "?"}'):
            answer = await http.post("/v1/step", content=body)
            assert answer.status_code == 400, body[:9]
        too_large = await http.post("/v1/step", content=bytes(MOST_BYTES + 1), headers=cbor)
        assert too_large.status_code == 413


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (struct.pack(">I", MOST_BYTES + 1), f"{MOST_BYTES} bytes at most, not {MOST_BYTES + 1}"),
        (struct.pack(">I", 1) + b"\xff", "the message is no CBOR"),
        (struct.pack(">I", 0), "the message is no CBOR"),
        (struct.pack(">I", 9) + b"half", "took 0 s"),
    ],
    ids=["oversized", "broken", "empty", "slow"],
)
async def test_a_client_that_breaks_the_framing_is_told_and_sent_away(
    tmp_path, monkeypatch, data, said
):
    monkeypatch.setattr(unix, "MESSAGE_S", 0.2)
    async with sidecar() as made, on_socket(made, tmp_path / "s") as client:
        client.writer.write(data)
        answer = await client.read()
        assert answer["ok"] is False and said in answer["error"]
        assert await client.reader.read() == b""


async def test_a_session_that_nobody_steps_is_closed(monkeypatch):
    monkeypatch.setattr(contract, "IDLE_S", 0.1)
    async with sidecar() as made:
        opened = await made.answer({"op": "open"})
        await asyncio.sleep(0.3)
        answer = await made.answer({"op": "step", "session": opened["session"]})
        assert "no such session" in answer["error"]


async def test_a_socket_of_a_living_server_is_not_taken_and_a_dead_one_s_is(tmp_path):
    path = tmp_path / "s"
    async with sidecar() as made:
        async with unix.serving(made, path):
            with pytest.raises(LabError, match="another server listens"):
                async with unix.serving(made, path):
                    pass
        dead, _ = unix._bound(path), None
        dead.close()
        async with on_socket(made, path) as client:
            assert (await client.ask({"op": "health"}))["ready"] is True
        with pytest.raises(LabError, match="can't be made a socket"):
            async with unix.serving(made, tmp_path / "no" / "s"):
                pass


async def test_the_server_has_it_beside_its_doors_behind_the_same_gate(tmp_path):
    service = VoiceService([], steps=("passthrough",))
    beside = Beside(0, tmp_path / "s")
    assert beside.told() == [
        "sidecar: http://127.0.0.1:0 (JSON or CBOR)",
        f"sidecar: {tmp_path / 's'} (CBOR behind its length)",
    ]
    async with serving(service, Address(port=0), beside=beside) as url:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert (await Client(reader, writer).ask({"op": "open"}))["ok"]
        writer.close()
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/healthz")).text == "ok\n"
    assert service.open == 0
