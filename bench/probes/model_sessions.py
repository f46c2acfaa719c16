"""Fresh sessions of a duplex model, frame by frame in lock-step, for probes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from bench.probes.algorithmic_latency import Run, Said
from pipelines.duplex.adapters import is_remote
from pipelines.duplex.session.model import Pcm
from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.wire import SESSION, Reply, pcm_of_bytes, pcm_to_bytes
from pipelines.errors import LabError
from pipelines.process.process import ModelProcess
from pipelines.spec import PipelineSpec


def greedy(spec: PipelineSpec) -> ModelOptions:
    """The preset's model with greedy sampling.

    Raises:
        LabError: the preset has no model that computes on this machine, frame by frame.
    """
    if spec.architecture != "duplex":
        raise LabError(
            f"{spec.name} is no duplex preset: its floor is the sum of its stages; "
            "give a preset with architecture = 'duplex'."
        )
    model: ModelOptions = spec.stages["model"]
    if is_remote(model.backend):
        raise LabError(
            f"{spec.name}: a server's sampling and timing can't be held still from here, so its "
            "floor can't be probed: run the model here (backend = 'onnx', 'mlx' or 'torch')."
        )
    return dataclasses.replace(model, temperature=0.0, text_temperature=0.0, greeting="")


def acoustic_frames(config: str | None) -> int:
    """The codebooks' acoustic delay, from the model's ``config.json``; 0: it has none."""
    if config is None:
        return 0
    delays = json.loads(Path(config).read_text(encoding="utf-8")).get("delays", [0])
    return int(max(delays))


@contextlib.contextmanager
def sessions(process: ModelProcess, seed: int, say: str = "") -> Iterator[Run]:
    """Starts a model's process; within, each call is a fresh session that is fed in lock-step.

    Args:
        process: The model's process.
        seed: Seed of every session.
        say: Text that every session is made to say.

    Raises:
        ModelError: the model can't be loaded, or fails.
    """
    with asyncio.Runner() as runner:
        runner.run(process.ensure_running())

        def run(frames: Pcm) -> Iterator[Said]:
            replies = _replies(process, {"seed": seed, "greeting": say}, frames)
            try:
                while True:
                    try:
                        yield runner.run(_next(replies))
                    except StopAsyncIteration:
                        return
            finally:
                runner.run(_end(replies))

        try:
            yield run
        finally:
            runner.run(process.stop())


async def _next(replies: AsyncIterator[Said]) -> Said:
    return await anext(replies)


async def _end(replies: Any) -> None:
    await replies.aclose()


async def _replies(
    process: ModelProcess, asked: dict[str, Any], frames: Pcm
) -> AsyncIterator[Said]:
    """One session: a frame goes in when the reply to the one before is out."""
    session = process.open(SESSION, asked, fed=True, owes="frame")
    try:
        for index, pcm in enumerate(frames):
            session.feed({"frame": index}, pcm_to_bytes(pcm), last=False)
            header, payload = await anext(session)
            reply = Reply.read(header, payload)
            if reply.frame != index or reply.context_end:
                raise LabError(f"The floor can't be measured: frame {index} was not answered.")
            yield Said(pcm_of_bytes(reply.pcm) if reply.pcm else None, reply.codes)
    finally:
        session.cancel()
        await session.wait_ended()
