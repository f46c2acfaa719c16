"""Builds a duplex pipeline: transport in → model → intent watcher, passive VAD → transport out."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any
from weakref import WeakSet

from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameProcessor

from pipelines.duplex.checks import check, unpaced_frames
from pipelines.duplex.frame_marks import FrameMarks
from pipelines.duplex.processes import ENGINE, describe
from pipelines.duplex.processor import MoshiProcessor
from pipelines.duplex.session.engine import SWITCH_INTERVAL_S
from pipelines.duplex.session.options import ModelOptions, ProcessorOptions
from pipelines.duplex.session.warmth import like_speech
from pipelines.duplex.session.wire import SESSION, Reply, pcm_to_bytes
from pipelines.duplex.vad_tap import passive_vad
from pipelines.host import Host
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess, next_request_id
from pipelines.spec import PipelineSpec
from pipelines.watch.tap import intent_taps, prepare_watch

UNPACED = "unpaced"
"""Prefix of the session ids of unpaced bursts."""
UNPACED_LIMIT_S = 15.0
"""Longest burst, s: of a slow model a few frames are enough."""

_measured: WeakSet[ModelProcess] = WeakSet()
"""Processes that got their burst. A child that is started again in mid-run gets none: the trial
that waits for it would time out."""


async def prepare(spec: PipelineSpec, models: ModelPool) -> None:
    """Loads and warms the model; the first time, it is then measured unpaced.

    Raises:
        LabError: the model can't be loaded, or the preset asks for what can't be.
    """
    process = await _process(spec, models)
    await prepare_watch(spec.stages["watch"], models)
    frames = unpaced_frames(spec)
    if frames and process not in _measured:
        _measured.add(process)
        await _run_unpaced(process, frames, spec.stages["model"].seed)


async def build(host: Host) -> Pipeline:
    """Makes a fresh pipeline and session, of a model that may be warm already.

    Raises:
        LabError: the model can't be loaded, or the preset asks for what can't be.
    """
    # The VAD's thread must not keep the event loop from a frame for Python's default of 5 ms.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    model: ModelOptions = host.options("model")
    options: ProcessorOptions = host.options("processor")
    processors: list[FrameProcessor] = [
        host.transport.input(),
        MoshiProcessor(
            await _process(host.spec, host.models),
            options=options,
            seed=model.seed,
            greeting=model.greeting,
            marks=host.marks,
        ),
        *await intent_taps(host),
        *([passive_vad()] if options.vad_tap else []),
        host.transport.output(),
    ]
    return Pipeline(processors)


async def _process(spec: PipelineSpec, models: ModelPool) -> ModelProcess:
    check(spec)
    # Off the event loop: the weights' files are looked at.
    d = await asyncio.to_thread(
        describe, spec.stages["model"], spec.stages["processor"], spec.stages["script"]
    )
    options: dict[str, Any] = d.options
    return await models.get(d.name, ENGINE, options, interpreter=d.interpreter, **d.limits)


async def _run_unpaced(process: ModelProcess, frames: int, seed: int) -> None:
    """Feeds frames all at once, and marks the outcome of each.

    Raises:
        ModelError: the model failed.
    """
    session_id = next_request_id(UNPACED)
    marks = FrameMarks(process.marks, session_id, process.pid)
    session = process.open(SESSION, {"seed": seed}, request_id=session_id, fed=True, owes="frame")
    marks.session(process.name, seed)
    for index, pcm in enumerate(like_speech(frames)):
        session.feed({"frame": index}, pcm_to_bytes(pcm), last=False)
        marks.frame("handed", index)
    session.feed(last=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(UNPACED_LIMIT_S):
            async for header, payload in session:
                marks.reply(Reply.read(header, payload))
    session.cancel()
    await session.wait_ended()
