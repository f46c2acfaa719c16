"""The clients of docs/server.md, each run as it stands there."""

import asyncio
import contextlib
import re
import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.server.app.address import Address
from pipelines.server.app.run import Beside, serving
from pipelines.server.service.service import VoiceService

PAGE = Path(__file__).parents[3] / "docs" / "server.md"
CLIENTS = dict(
    re.findall(r"<!-- client: (\w+) -->\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
)
TONE = (8_000 * np.sin(2 * np.pi * 500 * np.arange(12_000) / 24_000)).astype(np.int16)
QUESTION = np.concatenate([TONE, np.zeros(24_000, np.int16)])
LOUD_S = np.count_nonzero(np.abs(TONE) > 2_000) / 24_000
EXACT = {"stream", "realtime", "sidecar"}
"""Clients whose wire gives every sample back as it came."""


@contextlib.contextmanager
def served(folder):
    """(port, port of the sidecar) of a server that gives everything back."""
    started: Future[str] = Future()
    loop, ending = asyncio.new_event_loop(), asyncio.Event()
    with contextlib.closing(Address(port=0).listen()) as free:
        sidecar_port = free.getsockname()[1]

    async def serve() -> None:
        service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
        beside = Beside(sidecar_port, folder / "sidecar.socket")
        async with serving(service, Address(port=0), beside=beside) as url:
            started.set_result(url)
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield started.result(20).rpartition(":")[2], str(sidecar_port)
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(20)
        loop.close()


def test_there_is_a_client_for_each_door_and_each_has_some_ten_lines():
    assert set(CLIENTS) == {
        "stream", "realtime", "moshi", "twilio", "webrtc", "sidecar", "socket",
    }  # fmt: skip
    for name, text in CLIENTS.items():
        lines = text.splitlines()
        work = [line for line in lines if line and not re.match("import |from .* import ", line)]
        assert len(work) <= 14, f"{name}: {len(work)} lines"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # aiortc's, on its way out
async def test_the_client_of_a_door_gets_its_answer(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    soundfile.write("question.wav", QUESTION, 24_000)
    with served(tmp_path) as (port, sidecar_port):
        text = CLIENTS[name].replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        text = text.replace("127.0.0.1:9090", f"127.0.0.1:{sidecar_port}")
        await asyncio.to_thread(exec, compile(text, f"client {name}", "exec"), {})
    if name == "socket":
        assert "'passthrough': {" in capsys.readouterr().out
        return
    answer, rate_hz = soundfile.read("answer.wav", dtype="int16", always_2d=True)
    if name in EXACT:
        assert np.array_equal(answer[: len(TONE), 0], TONE)
    loud = np.abs(answer[:, 0].astype(int)) > 2_000
    bound = 0.4 if name == "webrtc" else 0.1  # a call's first packets may come before it is up
    assert np.count_nonzero(loud) / rate_hz == pytest.approx(LOUD_S, rel=bound)
