"""Our own lines call our own server: what the caller hears of an agent behind each door."""

import asyncio
import threading
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from bench.caller.call import call
from bench.caller.plan import CallerPlan, CallerTurn
from bench.lines import table
from bench.lines.line import LineChoice
from pipelines.server.app.address import Address
from pipelines.server.app.run import serving
from pipelines.server.service.service import VoiceService

DOORS: dict[str, tuple[str, Any]] = {
    "openai-realtime": ("/v1/realtime?model=passthrough", {}),
    "twilio": ("/twilio/media", {"parameters": {"preset": "passthrough"}}),
    "moshi": ("/api/chat?preset=passthrough", {}),
    "pcm-websocket": ("/v1/stream?preset=passthrough", {}),
    "webrtc": ("/api/offer?preset=passthrough", {}),
}


@contextmanager
def served():
    """A server on a thread of its own; yields its address."""
    address: list[str] = []
    over: list[asyncio.Event] = []
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def serve():
        service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
        async with serving(service, Address(port=0)) as url:
            address.append(url.replace("http", "ws"))
            over.append(asyncio.Event())
            ready.set()
            await over[0].wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(over[0].set)
        thread.join()
        loop.close()


@pytest.mark.realtime
def test_what_the_user_says_is_heard_again_through_every_door():
    with served() as url:
        for name, (path, options) in DOORS.items():
            rate_hz = table.row_of(name).in_rate_hz(options) or 24_000
            on, off = rate_hz // 10, rate_hz * 4 // 10
            pcm = np.zeros(rate_hz // 2, np.int16)
            time_s = np.arange(off - on) / rate_hz
            pcm[on:off] = 8_000 * np.sin(2 * np.pi * 500 * time_s)
            turn = CallerTurn(pcm, on, off, "start", delay_ms=0.0, timeout_s=2.0, wait_s=0.5)
            address = url.replace("ws", "http", 1) if name == "webrtc" else url
            line = LineChoice(name, address + path, options)
            result = call(CallerPlan("t", rate_hz, (turn,), 10.0, line=line), None, print)
            assert result.error is None, name
            level = np.abs(result.agent.astype(int))
            # Samples, not a span: a hole that a busy machine makes is none of the door's.
            heard_s = np.count_nonzero(level > level.max() / 4) / result.rate_hz
            share = 1 - 2 / np.pi * np.arcsin(1 / 4)  # of a sine
            assert abs(heard_s / share - 0.3) < 0.02, name
            assert level.max() > 5_000, name
