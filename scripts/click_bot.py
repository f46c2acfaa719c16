"""A Pipecat bot that answers a click by a click, for scripts/transport_costs.py.

python click_bot.py --host 127.0.0.1 --port 7860    under Pipecat's own runner

It has no detector, no model and no turns: what a call with it costs is the transport's.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import os
from typing import Any

import numpy as np
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

DELAY_S = 0.1
"""Time from the frame that holds a click to its answer."""
APART_S = 0.15
"""Time after a click in which no other is one: a codec smears it over two frames."""
LOUD = 1_000
"""|sample| from which a frame holds a click: a resampler leaves little of one sample."""
LEVEL = 24_000
SOUND_MS = 120
"""Length of an answer: whole chunks of 40 ms, so that none of it waits for more."""
TELEPHONE_HZ = 8_000
RATES_HZ = (16_000, 24_000)

# Pipecat's serializer refuses to be without them, and would hang the call up at Twilio's.
os.environ.setdefault("TWILIO_ACCOUNT_SID", "AC0")
os.environ.setdefault("TWILIO_AUTH_TOKEN", "none")


class Clicks(FrameProcessor):
    """Answers clicks.

    Args:
        rate_hz: Rate of the answers.
    """

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        pcm = np.zeros(rate_hz * SOUND_MS // 1000, np.int16)
        pcm[0] = LEVEL
        self._answer = pcm.tobytes()
        self._rate_hz = rate_hz
        self._last_s = -1.0
        self._work: set[asyncio.Task[None]] = set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Looks for a click in each input frame."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
            return
        pcm = np.frombuffer(frame.audio, np.int16).astype(np.int32)
        now_s = asyncio.get_running_loop().time()
        if np.abs(pcm).max(initial=0) >= LOUD and now_s > self._last_s + APART_S:
            self._last_s = now_s
            task = self.create_task(self._click())
            self._work.add(task)
            task.add_done_callback(self._work.discard)

    async def _click(self) -> None:
        await asyncio.sleep(DELAY_S)
        await self.push_frame(OutputAudioRawFrame(self._answer, self._rate_hz, 1))


def _by_websocket() -> TransportParams:
    from pipecat.serializers.protobuf import ProtobufFrameSerializer
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

    return FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=True, serializer=ProtobufFrameSerializer()
    )


def _by_telephone() -> TransportParams:
    from pipecat.serializers.twilio import TwilioFrameSerializer
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

    async def nothing(_serializer: Any) -> None:
        """Leaves Twilio alone."""

    TwilioFrameSerializer._hang_up_call = nothing  # type: ignore[method-assign]
    return FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True)


WAYS = {
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    "websocket": _by_websocket,
    "twilio": _by_telephone,
}


async def bot(runner_args: Any) -> None:
    """One conversation."""
    transport = await create_transport(runner_args, WAYS)
    is_call = getattr(runner_args, "transport_type", "") == "twilio"
    rates_hz = (TELEPHONE_HZ, TELEPHONE_HZ) if is_call else RATES_HZ
    worker = PipelineWorker(
        Pipeline([transport.input(), Clicks(rates_hz[1]), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=rates_hz[0], audio_out_sample_rate=rates_hz[1]),
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False)

    @transport.event_handler("on_client_disconnected")
    async def gone(_transport: BaseTransport, _client: object) -> None:
        await runner.cancel()

    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
