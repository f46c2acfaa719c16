"""`/api/offer` over a real port: a WebRTC client's voice comes back; what is no offer is told."""

import asyncio
import fractions
import json
from typing import Any

import av
import httpx
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.pipelines.server.doors.served import served, token


class Tone(MediaStreamTrack):
    """A tone of 500 Hz, 20 ms each 20 ms."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.n = 0

    async def recv(self):
        await asyncio.sleep(0.018)
        at = np.arange(self.n * 960, (self.n + 1) * 960)
        pcm = (8_000 * np.sin(2 * np.pi * 500 * at / 48_000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, self.n * 960
        frame.time_base = fractions.Fraction(1, 48_000)
        self.n += 1
        return frame


async def post(url, body, **headers):
    async with httpx.AsyncClient() as http:
        address = url.replace("ws", "http", 1) + "/api/offer"
        return await http.post(address, content=body, headers=headers)


async def offered(peer):
    await peer.setLocalDescription(await peer.createOffer())
    local = peer.localDescription
    return json.dumps({"sdp": local.sdp, "type": local.type})


async def test_a_clients_voice_comes_back_and_the_state_is_told_by_a_data_channel():
    async with served() as (service, url):
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTrack(Tone())
        channel = peer.createDataChannel("chat")
        told: list[Any] = []
        heard: asyncio.Queue[int] = asyncio.Queue()
        channel.on("message", lambda text: told.append(json.loads(text)))

        async def hear(track):
            loud = 0
            while loud < 20:
                frame = await track.recv()
                loud += bool(5_000 < np.abs(frame.to_ndarray()).max() < 6_300)  # 3 dB: its mono
            heard.put_nowait(loud)

        hearing: list[Any] = []
        peer.on("track", lambda track: hearing.append(asyncio.ensure_future(hear(track))))
        answer = await post(url, await offered(peer))
        assert answer.status_code == 200
        table = answer.json()
        assert table["pc_id"].startswith("webrtc-")
        await peer.setRemoteDescription(RTCSessionDescription(table["sdp"], table["type"]))
        async with asyncio.timeout(10):
            assert await heard.get() == 20
        assert service.open == 1
        assert {"type": "status", "state": "speaking"} in told
        await peer.close()
        for _ in range(200):
            if not service.open:
                break
            await asyncio.sleep(0.05)
        assert service.open == 0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("{", 400, "it is no JSON"),
        ("[]", 400, "it is no JSON object"),
        ('{"type":"answer"}', 400, "its type is not 'offer'"),
        ('{"type":"offer","sdp":"v=0\\r\\nm=audio"}', 400, "offers no audio in Opus"),
        ('{"type":"offer","sdp":"v=0\\r\\nm=audio opus/48000"}', 400, "this is no offer of a call"),
        ('{"type":"offer","sdp":"' + "x" * 2**18 + '"}', 400, "it has more than 262144 bytes"),
    ],
    ids=["JSON", "list", "answer", "no Opus", "sdp", "long"],
)
async def test_what_is_no_offer_is_told_in_a_sentence_and_leaves_nothing(body, status, said):
    async with served() as (service, url):
        answer = await post(url, body)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
        assert service.open == 0


async def test_an_offer_needs_a_token_where_the_server_asks_for_one():
    async with served(guarded=True) as (_, url):
        assert (await post(url, "{}")).status_code == 401
        answer = await post(url, "{}", Authorization=f"Bearer {token()}")
        assert answer.status_code == 400
