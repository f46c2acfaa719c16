"""A call by WebRTC: aiortc plays the browser, a scripted duplex model answers what it hears."""

import asyncio
import fractions
import json
import ssl

import aiohttp
import numpy as np
import pytest

from bench.fixtures.library import read_pcm, select
from pipelines.certificate import context, qr_code
from pipelines.errors import LabError
from pipelines.face.messages import parse
from pipelines.server.live import Call, check_installed
from pipelines.server.server import FaceServer
from pipelines.spec import load_spec

WHY = "the extra 'talk' is not installed: make talk installs it"
RATE_HZ = 16000


class Kept:
    """A feed that keeps what it is told."""

    def __init__(self):
        self.texts = []

    def put(self, message):
        self.texts.append(message)


def user_track():
    """A recorded user at the microphone, then silence: 20 ms pieces in real time."""
    from aiortc.mediastreams import MediaStreamTrack
    from av import AudioFrame

    (fixture,) = select("cmd_dance")
    silence = np.zeros(RATE_HZ, np.int16)
    pcm = np.concatenate([silence, read_pcm(fixture.turns[0]), silence, silence])

    class Microphone(MediaStreamTrack):
        kind = "audio"
        at = 0
        began = None

        async def recv(self):
            loop = asyncio.get_running_loop()
            self.began = self.began or loop.time()
            await asyncio.sleep(max(0, self.began + self.at / RATE_HZ - loop.time()))
            piece = pcm[self.at : self.at + 320]
            frame = AudioFrame(format="s16", layout="mono", samples=320)
            frame.planes[0].update(np.pad(piece, (0, 320 - len(piece))).tobytes())
            frame.pts, frame.sample_rate = self.at, RATE_HZ
            frame.time_base = fractions.Fraction(1, RATE_HZ)
            self.at += 320
            return frame

    return Microphone()


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore")  # aiortc's, on its way out
async def test_a_call_is_answered_in_sound_and_in_the_face():
    aiortc = pytest.importorskip("aiortc", reason=WHY)
    check_installed()
    call = Call(load_spec("duplex-scripted-yield"))
    call.feed = feed = Kept()
    loaded = asyncio.Event()
    running = asyncio.create_task(call.run(loaded))
    await asyncio.wait_for(loaded.wait(), 60)
    peer = aiortc.RTCPeerConnection()
    peer.addTrack(user_track())
    peer.createDataChannel("chat")
    heard = asyncio.Event()

    @peer.on("track")
    async def on_track(track):
        while True:
            frame = await track.recv()
            if np.abs(frame.to_ndarray().astype(int)).max() > 2000:
                heard.set()

    try:
        await peer.setLocalDescription(await peer.createOffer())
        offer = {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}
        answer = await call.offer(offer)
        await peer.setRemoteDescription(aiortc.RTCSessionDescription(**answer))
        await asyncio.wait_for(heard.wait(), 40)
        for _ in range(100):
            told = [parse(t) for t in feed.texts if "type" not in json.loads(t)]
            if any(m.mouth > 0.3 for m in told):
                break
            await asyncio.sleep(0.1)
    finally:
        await peer.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert max(m.mouth for m in told) > 0.3
    assert {m.v for m in told} == {2}


async def test_an_offer_before_the_models_are_loaded_is_reported():
    with pytest.raises(LabError, match="still loading"):
        pytest.importorskip("aiortc", reason=WHY)
        await Call(load_spec("duplex-scripted-60ms")).offer({"sdp": "", "type": "offer"})


async def test_https_serves_the_page_and_feeds_stay_plain():
    pytest.importorskip("cryptography", reason=WHY)
    server = FaceServer("test")
    await server.start("127.0.0.1", 0, context(["127.0.0.1"]))
    try:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        jar = aiohttp.CookieJar(unsafe=True)  # a cookie of a bare address
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            page = f"https://127.0.0.1:{server.port}/"
            async with session.get(page, ssl=trusting) as answer:
                assert answer.status == 403
            async with session.get(f"{page}?key={server.key}", ssl=trusting) as answer:
                assert "<canvas" in await answer.text()
                assert str(answer.url) == page
                cookie = answer.history[0].cookies[f"duplex-lab-{server.port}"]
                assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (
                    True,
                    True,
                    "Lax",
                )
            for away in ("face", "offer", "feed"):
                async with session.get(f"http://127.0.0.1:{server.feed_port}/{away}") as answer:
                    assert answer.status == (403 if away == "feed" else 404)
            async with session.get(f"{page}feed?token={server.token}", ssl=trusting) as answer:
                assert answer.status == 404
            feed = f"ws://127.0.0.1:{server.feed_port}/feed?token={server.token}"
            async with session.ws_connect(feed) as socket:
                assert not socket.closed
    finally:
        await server.stop()


def test_the_address_is_drawn_as_a_qr_code():
    pytest.importorskip("segno", reason=WHY)
    assert qr_code("https://192.0.2.1:8080/").count("\n") > 10
