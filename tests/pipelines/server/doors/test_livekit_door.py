"""`/livekit/join` with a double of the package livekit, which is not installed here."""

import asyncio
import sys
import types

import httpx
import numpy as np
import pytest

from pipelines.server.doors import livekit as door
from pipelines.server.doors import table
from tests.pipelines.server.doors.served import loud, served, token


class Room:
    """A room whose user says 160 ms, and goes when the answer was heard."""

    last: "Room"

    def __init__(self):
        Room.last = self
        self.handlers = {}
        self.local_participant = self
        self.left = False

    def on(self, event, handler):
        self.handlers[event] = handler

    async def connect(self, url, room_token):
        if room_token != "good":
            raise ConnectionError(f"401: {room_token} is no token")
        self.url = url

    async def publish_track(self, track, options):
        assert options.source == "microphone"
        self.voice = track
        user = types.SimpleNamespace(kind="audio")
        asyncio.get_running_loop().call_soon(self.handlers["track_subscribed"], user, None, None)

    async def disconnect(self):
        self.left = True


class Source:
    """The agent's voice."""

    def __init__(self, rate_hz, channels, queue_size_ms):
        assert (rate_hz, channels, queue_size_ms) == (24_000, 1, 1_000)
        self.heard = []

    async def capture_frame(self, frame):
        self.heard.append(np.frombuffer(frame.data, "<i2"))
        if sum(map(len, self.heard)) == 3_840:
            Room.last.handlers["disconnected"]("the user has gone")

    def clear_queue(self):
        self.heard.clear()


async def stream(track, sample_rate, num_channels):
    assert (sample_rate, num_channels) == (24_000, 1)
    for _ in range(2):
        frame = types.SimpleNamespace(data=memoryview(loud(1_920)))
        yield types.SimpleNamespace(frame=frame)
    await asyncio.sleep(5)


@pytest.fixture
def package(monkeypatch):
    rtc = types.SimpleNamespace(
        Room=Room,
        AudioSource=Source,
        AudioStream=stream,
        AudioFrame=types.SimpleNamespace,
        LocalAudioTrack=types.SimpleNamespace(create_audio_track=lambda name, source: source),
        TrackPublishOptions=types.SimpleNamespace,
        TrackSource=types.SimpleNamespace(SOURCE_MICROPHONE="microphone"),
        TrackKind=types.SimpleNamespace(KIND_AUDIO="audio"),
    )
    package = types.ModuleType("livekit")
    package.rtc = rtc  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "livekit", package)


def test_the_door_is_left_out_where_its_package_is_missing():
    assert table.rows()["livekit"].needs == ("livekit",)


async def join(url, body, **headers):
    async with httpx.AsyncClient(base_url=url.replace("ws", "http", 1)) as http:
        return await http.post("/livekit/join", json=body, headers=headers)


async def test_the_agent_joins_a_room_answers_its_user_and_leaves_with_them(package):
    async with served(doors=[door.ROW]) as (service, url):
        answer = await join(url, {"url": "wss://room", "token": "good"})
        assert answer.json()["conversation"].startswith("livekit-")
        for _ in range(100):
            if not service.open:
                break
            await asyncio.sleep(0.02)
        room = Room.last
        assert (service.open, room.left, room.url) == (0, True, "wss://room")
        assert np.concatenate(room.voice.heard).tolist() == [6_000] * 3_840


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"url": "wss://room", "token": "bad"}, 502, "can't be joined: ConnectionError: 401: … is"),
        ({"url": "https://room", "token": "good"}, 400, "url must be the ws:// or wss://"),
        ({"url": "wss://room"}, 400, "token must be the room's"),
        ([], 400, "holds no JSON object"),
    ],
    ids=["token", "scheme", "no token", "list"],
)
async def test_a_room_that_cannot_be_joined_is_told_without_its_token(package, body, status, said):
    async with served(doors=[door.ROW]) as (service, url):
        answer = await join(url, body)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
        assert "bad" not in answer.text
        assert service.open == 0


async def test_who_has_no_token_of_the_servers_joins_no_room(package):
    async with served(guarded=True, doors=[door.ROW]) as (_, url):
        body = {"url": "wss://room", "token": "bad"}
        assert (await join(url, body)).status_code == 401
        assert (await join(url, body, Authorization=f"Bearer {token()}")).status_code == 502
