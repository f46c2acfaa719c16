"""The pages of `talk` and `face` on the server: the page, its face messages, its call."""

import asyncio
import json
from typing import Any

import httpx
import websockets
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from pipelines.face.states import TABLE, read_policy
from pipelines.face.track import FaceTrack
from pipelines.server.session.doubles import tone
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Closed,
    Control,
    Event,
    Interruption,
    Phones,
    ToolCall,
    ToolCancelled,
    ToolResult,
    TurnEnd,
    UserPartial,
)
from pipelines.server.session_face import SessionFace
from tests.pipelines.server.doors.served import served
from tests.pipelines.server.doors.test_webrtc_door import Tone


async def test_a_page_is_served_and_its_call_moves_its_own_face_only():
    async with (
        served() as (_, url),
        httpx.AsyncClient() as http,
    ):
        http.base_url = httpx.URL(url.replace("ws", "http", 1))
        for path in ("/talk", "/face"):
            page = await http.get(path)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "default-src 'none'" in page.headers["content-security-policy"]
        plain = await websockets.connect(f"{url}/face?plain=1")
        hello = json.loads(await plain.recv())
        assert (hello["mode"], hello["plain"]) == ("live", True)
        other = await websockets.connect(f"{url}/face")
        assert "plain" not in json.loads(await other.recv())
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTrack(Tone())
        await peer.setLocalDescription(await peer.createOffer())
        local = peer.localDescription
        offer = {"sdp": local.sdp, "type": local.type, "call": hello["call"]}
        answer = (await http.post("/offer", json=offer)).json()
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(10):
            while not (message := json.loads(await plain.recv())).get("mouth"):
                pass
        assert message["speaking"]
        await peer.close()
        async with asyncio.timeout(10):
            while (message := json.loads(await plain.recv())).get("who") != "call":
                pass
        assert message["text"] == "ended"
        await plain.close()
        await other.close()


async def test_what_is_no_offer_is_told_whatever_page_it_comes_from():
    async with (
        served() as (_, url),
        httpx.AsyncClient() as http,
    ):
        http.base_url = httpx.URL(url.replace("ws", "http", 1))
        for body in ("{", '{"call":5}', "x" * 2**19):
            answer = await http.post("/offer", content=body)
            assert answer.status_code == 400
            assert answer.text.startswith("this is no offer of a call: ")


def test_a_sessions_events_are_words_and_mouths_in_their_order():
    put: list[Any] = []
    face = SessionFace(
        FaceTrack(read_policy(TABLE)), lambda text: put.append(json.loads(text)), lambda: 10**9
    )
    frame = tone(8_000)
    for event in (
        AudioOut(0, 0, 24_000, frame),  # nobody speaks yet: no mouth
        Control(0, "user_speaking", "true"),
        UserPartial(0, "hel"),
        UserPartial(0, "hello", final=True),
        TurnEnd(0, "user"),
        AssistantPartial(0, "Good "),
        AssistantPartial(0, "day."),
        Control(0, "state", "speaking"),
        AudioOut(0, 1, 24_000, frame),
        Interruption(0, 1),
        Closed(0, "bye"),
    ):
        face.take(event)
    words = [(m["who"], m["text"]) for m in put if m.get("type") == "words"]
    assert words == [
        ("you", "hello"),
        ("creature", "Good "),
        ("creature", "Good day."),
        ("call", "ended: bye"),
    ]
    mouths = [(m["at"], m["samples"]) for m in put if m.get("samples")]
    assert mouths == [(0, 1_920)]
    kinds = [m.get("type") for m in put]
    assert kinds.index("clear") > kinds.index("words")


class Told:
    """A face at a clock that a test moves."""

    def __init__(self) -> None:
        self.t_ms = 1_000.0
        self.put: list[Any] = []
        self.face = SessionFace(
            FaceTrack(read_policy(TABLE)),
            lambda text: self.put.append(json.loads(text)),
            lambda: round(self.t_ms * 1e6),
        )

    def take(self, *events: Event) -> list[Any]:
        """The messages of some events."""
        before = len(self.put)
        for event in events:
            self.face.take(event)
        return self.put[before:]

    def after(self, ms: float) -> list[Any]:
        """The messages of a look at the time, so much later."""
        before = len(self.put)
        self.t_ms += ms
        self.face.tick()
        return self.put[before:]


def test_phones_of_a_synthesiser_shape_the_lips_of_the_frame_in_which_they_are_written():
    told = Told()
    told.take(Control(0, "state", "speaking"))
    said = told.take(
        Phones(0, (("ɑː", 0.0, 80.0),), samples=1_920, offset_ms=0.0, rate_hz=24_000),
        AudioOut(0, 0, 24_000, tone(8_000)),
    )
    (frame,) = [m for m in said if m.get("samples")]
    shapes = [keyframe[1] for keyframe in frame["visemes"]]
    assert len(shapes) == 5 and max(shapes) > 0.5  # every 20 ms, an open vowel
    without = Told()
    without.take(Control(0, "state", "speaking"))
    (frame,) = [m for m in without.take(AudioOut(0, 0, 24_000, tone(8_000))) if m.get("samples")]
    assert not frame.get("visemes") and frame["mouth"] > 0.3


def test_a_turn_of_which_nothing_comes_was_not_understood():
    told = Told()
    told.take(Control(0, "user_speaking", "true"), TurnEnd(0, "user"))
    assert [m["state"] for m in told.after(2_900)] == []
    assert [m["state"] for m in told.after(200)] == ["confused"]
    for what in (UserPartial(0, "hello", final=True), Control(0, "state", "speaking")):
        heard = Told()
        heard.take(Control(0, "user_speaking", "true"), TurnEnd(0, "user"), what)
        assert "confused" not in [m.get("state") for m in heard.after(3_100)]


def test_of_several_functions_the_last_one_ends_the_act():
    told = Told()
    states = [
        [m["state"] for m in told.take(event)]
        for event in (
            ToolCall(0, "a", "look"),
            ToolCall(0, "b", "move"),
            ToolCancelled(0, "a"),
            ToolResult(0, "b", "move"),
        )
    ]
    assert states[0] == ["acting"]
    assert states[1:3] == [[], []]
    assert states[3] != []
