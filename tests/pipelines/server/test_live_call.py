"""`talk` and `face`: aiortc plays the browser, a scripted duplex model answers what it hears."""

import asyncio
import contextlib
import fractions
import json

import httpx
import numpy as np
import pytest
import websockets

from bench.cli.live.talk import DOORS
from bench.fixtures.library import read_pcm, select
from pipelines.errors import LabError
from pipelines.face.messages import parse
from pipelines.server.app import run
from pipelines.server.app.address import Address
from pipelines.server.app.run import check_installed, serving
from pipelines.server.config.tables import FaceOptions
from pipelines.server.doors import table
from pipelines.server.doors.door import People
from pipelines.server.service.service import Limits, VoiceService
from pipelines.spec import load_spec

WHY = "the extra 'talk' is not installed: make talk installs it"
aiortc = pytest.importorskip("aiortc", reason=WHY)
RATE_HZ = 16000


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


class Caller:
    """A page: its WebSocket, its call, and what both bring."""

    def __init__(self, url):
        self._url = url
        self.told = []
        self.heard = asyncio.Event()
        self._peer = aiortc.RTCPeerConnection()
        self._peer.addTrack(user_track())
        self._peer.on("track", self._track)
        self._tasks = []

    async def call(self, stack):
        """Opens the page, and calls."""
        page = await stack.enter_async_context(
            websockets.connect(self._url.replace("http", "ws") + "/face")
        )
        self.hello = json.loads(await page.recv())
        self._tasks.append(asyncio.create_task(self._read(page)))
        stack.push_async_callback(self._end)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        local = self._peer.localDescription
        offer = {"sdp": local.sdp, "type": local.type, "call": self.hello["call"]}
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.post(f"{self._url}/offer", json=offer)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        await self._peer.setRemoteDescription(
            aiortc.RTCSessionDescription(found["sdp"], found["type"])
        )

    @property
    def faces(self):
        return [parse(json.dumps(m)) for m in self.told if "type" not in m]

    @property
    def words(self):
        return [(m["who"], m["text"]) for m in self.told if m.get("type") == "words"]

    async def _read(self, page):
        async for text in page:
            self.told.append(json.loads(text))

    def _track(self, track):
        async def hear():
            with contextlib.suppress(aiortc.mediastreams.MediaStreamError):
                while True:
                    frame = await track.recv()
                    if np.abs(frame.to_ndarray().astype(int)).max() > 2000:
                        self.heard.set()

        self._tasks.append(asyncio.ensure_future(hear()))

    async def _end(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._peer.close()


async def until(condition, seconds=15):
    for _ in range(round(seconds * 20)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore")  # aiortc's, on its way out
async def test_a_call_is_answered_in_sound_and_in_the_face_and_a_new_one_ends_it():
    spec = load_spec("duplex-scripted-yield")
    service = VoiceService([spec], Limits(seats=1), tell=lambda text: None)
    people = People(FaceOptions(version=1), f"{spec.title} · live", newest=True)
    doors = [row for name, row in table.rows().items() if name in DOORS]
    async with (
        serving(service, Address(port=0), doors=doors, people=people) as url,
        contextlib.AsyncExitStack() as stack,
    ):
        first, second = Caller(url), Caller(url)
        await first.call(stack)
        assert first.hello["title"] == f"{spec.title} · live"
        await asyncio.wait_for(first.heard.wait(), 40)
        await until(lambda: any(m.mouth > 0.3 for m in first.faces))
        assert {m.v for m in first.faces} == {1}
        await second.call(stack)
        await until(lambda: ("call", "ended: another page has called") in first.words)
        await asyncio.wait_for(second.heard.wait(), 40)
        assert service.open == 1
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{url}/v1/stream")).status_code == 404  # no door of talk's


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(run.EXTRAS, "talk", ("no_such_package",))
    with pytest.raises(LabError, match=r"package 'no_such_package': install .*duplex-lab\[talk\]"):
        check_installed("talk")
