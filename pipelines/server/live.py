"""A live conversation: a browser's microphone and a preset, by Pipecat's SmallWebRTC transport.

One call at a time: the models serve one conversation, and a new page ends the last one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from pipelines.errors import LabError
from pipelines.face.feed import Feed
from pipelines.face.states import TABLE, read_policy
from pipelines.face.tap import FaceTap, running
from pipelines.face.track import FaceTrack
from pipelines.host import Host
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.registry import architecture, load_object
from pipelines.spec import PipelineSpec

CALLED = (
    "pipecat.pipeline.worker",
    "pipecat.transports.smallwebrtc.transport",
    "pipecat.workers.runner",
)
"""Modules that a call needs, imported before the first one, since WebRTC's timers run meanwhile."""
OUT_RATE_HZ = 24_000
"""Rate of the audio for WebRTC: 10 ms of it are a whole number of samples, unlike at 22,050 Hz."""


def check_installed() -> None:
    """Checks that the extra is installed.

    Raises:
        LabError: it is.
    """
    for name in ("aiortc", "av", "cv2"):
        if importlib.util.find_spec(name) is None:
            raise LabError(
                f"A live microphone needs the package {name!r}: run 'make face' or 'make talk', "
                "which install the extra 'talk', or let recorded users talk: --fixtures quick."
            )


class Call:
    """Answers WebRTC offers with a pipeline of the preset.

    Args:
        spec: The preset.
        version: Version of the face's messages.
        states: A table of states; None: ours.
    """

    def __init__(self, spec: PipelineSpec, version: int = 2, states: Path | None = None) -> None:
        self._spec = spec
        self._version = version
        self._states = states or TABLE
        self.feed: Feed | None = None
        """Receivers of the face's messages."""
        self._marks = MarkList()
        self._models: ModelPool | None = None
        self._talking: asyncio.Task[None] | None = None
        self._connection: Any = None
        self._calling = asyncio.Lock()

    async def run(self, loaded: asyncio.Event) -> None:
        """Loads the models, and keeps them until it is cancelled.

        Raises:
            LabError: a model can't be loaded.
        """
        _quiet_logs()
        async with ModelPool(self._marks) as models:
            if path := architecture(self._spec.architecture).prepare:
                await load_object(path)(self._spec, models)
            for module in CALLED:
                importlib.import_module(module)
            self._models = models
            loaded.set()
            try:
                await asyncio.Event().wait()
            finally:
                await self._hang_up()

    async def offer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Takes a browser's offer (sdp, type); returns the answer.

        Raises:
            LabError: the models are not loaded yet.
            KeyError: the offer lacks a field.
        """
        from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

        if self._models is None:
            raise LabError("the models are still loading: try again in a few seconds")
        async with self._calling:  # two pages may call at the same moment
            await self._hang_up()
            self._connection = connection = SmallWebRTCConnection()
            await connection.initialize(sdp=request["sdp"], type=request["type"])
            self._talking = asyncio.create_task(self._told(connection, self._models))
            answer: dict[str, Any] | None = connection.get_answer()  # type: ignore[no-untyped-call]
        if answer is None:
            raise LabError("WebRTC gave no answer to this offer")
        return {"sdp": answer["sdp"], "type": answer["type"]}

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect()
        if self._talking is not None:
            self._talking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._talking
            self._talking = None
        if self._models is not None:
            await self._models.settle()
        self._marks.drain()

    async def _told(self, connection: Any, models: ModelPool) -> None:
        """A conversation, and how it ended."""
        ended = "ended"
        try:
            await self._talk(connection, models)
        except Exception as error:  # whatever ends a call, the next one must be possible
            ended = f"ended by an error: {error}"
        finally:
            assert self.feed is not None
            self.feed.put(json.dumps({"type": "words", "who": "call", "text": ended}))

    async def _talk(self, connection: Any, models: ModelPool) -> None:
        """One conversation, until the browser hangs up."""
        from pipecat.pipeline.worker import PipelineParams, PipelineWorker
        from pipecat.transports.base_transport import TransportParams
        from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
        from pipecat.workers.runner import WorkerRunner

        audio = self._spec.audio
        transport = SmallWebRTCTransport(
            webrtc_connection=connection,
            params=TransportParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_in_sample_rate=audio.in_rate_hz,
                audio_out_sample_rate=OUT_RATE_HZ,
                audio_out_10ms_chunks=2,
            ),
        )
        host = Host(self._spec, transport, self._marks, models)
        pipeline = await load_object(architecture(self._spec.architecture).build)(host)
        assert self.feed is not None
        track = FaceTrack(read_policy(self._states), self._version)
        async with running(FaceTap(track, self.feed, audio=False)) as tap:
            worker = PipelineWorker(
                pipeline,
                params=PipelineParams(
                    audio_in_sample_rate=audio.in_rate_hz, audio_out_sample_rate=OUT_RATE_HZ
                ),
                observers=[tap],
                enable_rtvi=False,
                idle_timeout_secs=None,
            )
            runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
            await runner.add_workers(worker)

            async def gone(*_: object) -> None:
                await runner.cancel()

            transport.add_event_handler("on_client_disconnected", gone)
            try:
                await runner.run()
            finally:
                await runner.cancel()


def _quiet_logs() -> None:
    from loguru import logger

    logger.remove()
