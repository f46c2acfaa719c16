"""``duplex-lab service``: a duplex model's frames as fast as they go, serial and overlapped."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.console import console
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.probes.frame_times import Block, Service, Way
    from bench.stats.format import Block as Table
    from pipelines.duplex.session.options import ModelOptions
    from pipelines.duplex.session.wire import Reply
    from pipelines.process.process import ModelProcess
    from pipelines.spec import PipelineSpec

WAYS: dict[str, tuple[Way, ...]] = {
    "both": ("serial", "pipelined"),
    "serial": ("serial",),
    "pipelined": ("pipelined",),
}


def measure(
    presets: Annotated[str, typer.Argument(help="Duplex presets, by commas.")],
    frames: Annotated[int, typer.Option(min=30, help="Number of frames of a block.")] = 150,
    pairs: Annotated[
        int, typer.Option(min=1, help="Number of pairs of blocks, one of each way.")
    ] = 3,
    ways: Annotated[str, typer.Option(help="both, serial or pipelined.")] = "both",
    limit_s: Annotated[float, typer.Option(min=5, help="Longest block of a slow model, s.")] = 60.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
) -> None:
    """Measure the service time of a model when input is always there (unpaced).

    Serial: encode, step, decode, one after the other. Pipelined: decoding on a thread of its own.
    The two alternate in blocks; the first 25 frames of a block do not count, but at most a quarter
    of it is left out.
    """
    from bench.machine import description as machine
    from bench.probes.frame_times import paired_ratios
    from bench.store.atomic import atomic_write
    from pipelines.registry import architecture, load_object
    from pipelines.spec import load_spec

    if ways not in WAYS:
        raise LabError(f"--ways {ways}: unknown; known: {', '.join(WAYS)}.")
    specs = [_duplex(load_spec(name.strip())) for name in presets.split(",") if name.strip()]
    if not specs:
        raise LabError("PRESETS: name at least one duplex preset; see 'duplex-lab presets list'.")
    found: list[tuple[PipelineSpec, list[Block]]] = []
    failed: list[dict[str, str]] = []
    for spec in specs:
        try:
            if provide := architecture(spec.architecture).provide:
                load_object(provide)(spec, _tell)
            blocks = asyncio.run(_measure(spec, WAYS[ways], pairs, frames, limit_s))
        except LabError as error:  # the others' figures are not lost
            _tell(f"duplex-lab: {spec.name}: {error}")
            failed.append({"preset": spec.name, "error": str(error)})
        else:
            found.append((spec, blocks))
    if found:
        console().table(_table(found))
        console().say("p99 from 100 frames on; –: not reported, or too few")
    for spec, blocks in found:
        if ratios := paired_ratios(blocks):
            text = ", ".join(f"{100 * (ratio - 1):+.1f} %" for ratio in ratios)
            console().line(
                f"{spec.name}: overlapped against serial p50 {100 * (median(ratios) - 1):+.1f} % "
                f"(median of {len(ratios)} pairs: {text})"
            )
    console().line(f"load average {os.getloadavg()[0]:.1f} at the end")
    if json_file is not None:
        rows = {
            "machine": machine.describe(),
            "presets": [_row(s, b) for s, b in found],
            "failed": failed,
        }
        atomic_write(json_file, (json.dumps(rows, indent=2) + "\n").encode())
    if failed:
        raise typer.Exit(1)


def _duplex(spec: PipelineSpec) -> PipelineSpec:
    from pipelines.duplex.adapters import is_remote

    if spec.architecture != "duplex" or is_remote(spec.stages["model"].backend):
        raise LabError(
            f"{spec.name}: only duplex models that compute here frame by frame can be run unpaced; "
            "give a preset with architecture = 'duplex' and another backend than 'server'."
        )
    return spec


async def _measure(
    spec: PipelineSpec, ways: Sequence[Way], pairs: int, frames: int, limit_s: float
) -> list[Block]:
    from bench.probes.frame_times import block
    from pipelines.duplex.processes import duplex_process
    from pipelines.marks import MarkList

    blocks = []
    async with contextlib.AsyncExitStack() as stack:
        processes = {}
        for way in ways:
            model: ModelOptions = dataclasses.replace(spec.stages["model"], stages=way)
            _tell(f"{spec.name}: loading ({way})")
            processes[way] = await stack.enter_async_context(
                duplex_process(
                    model,
                    processor=spec.stages["processor"],
                    script=spec.stages["script"],
                    marks=MarkList(),
                )
            )
        for pair in range(pairs):
            for way in ways if pair % 2 == 0 else reversed(ways):
                _tell(f"{spec.name}: {way}, block {pair + 1} of {pairs}")
                replies = await _unpaced(processes[way], frames, limit_s, seed=pair)
                blocks.append(block(way, replies))
    return blocks


async def _unpaced(process: ModelProcess, frames: int, limit_s: float, seed: int) -> list[Reply]:
    """One session that gets all its frames at once."""
    from pipelines.duplex.session.warmth import like_speech
    from pipelines.duplex.session.wire import SESSION, Reply, pcm_to_bytes

    session = process.open(SESSION, {"seed": seed}, fed=True, owes="frame")
    for index, pcm in enumerate(like_speech(frames, seed)):
        session.feed({"frame": index}, pcm_to_bytes(pcm), last=False)
    session.feed(last=True)
    replies = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            async for header, payload in session:
                replies.append(Reply.read(header, payload))
    session.cancel()
    await session.wait_ended()
    return replies


def _table(found: Sequence[tuple[PipelineSpec, list[Block]]]) -> Table:
    from bench.probes.frame_times import service
    from bench.stats.format import Block as Table

    figures = (
        "n",
        "encode",
        "step",
        "temporal",
        "depth",
        "decode",
        "p50",
        "p99",
        "mean",
        "rtf",
        "headroom",
    )
    return Table(
        "Unpaced service per 80 ms frame (ms)",
        ("preset", "stages", *figures),
        tuple(
            (spec.name, way, *_cells(of))
            for spec, blocks in found
            for way in WAYS["both"]
            if (of := service(way, blocks))
        ),
        left=("stages",),
    )


def _cells(of: Service) -> list[str]:
    spans = [f"{of.spans_p50_ms[s]:.1f}" if s in of.spans_p50_ms else "–" for s in
             ("encode", "step", "temporal", "depth", "decode")]  # fmt: skip
    p99 = f"{of.p99_ms:.1f}" if of.p99_ms is not None else "–"
    headroom = f"{of.headroom_ms:.1f}" if of.headroom_ms is not None else "–"
    return [
        str(of.n), *spans, f"{of.p50_ms:.1f}", p99, f"{of.mean_ms:.1f}", f"{of.rtf:.2f}", headroom,
    ]  # fmt: skip


def _row(spec: PipelineSpec, blocks: list[Block]) -> dict[str, Any]:
    from bench.probes.frame_times import paired_ratios

    return {
        "preset": spec.name,
        "weights": spec.weights,
        "model": dataclasses.asdict(spec.stages["model"]),
        "ratios": paired_ratios(blocks),
        "blocks": [dataclasses.asdict(b) for b in blocks],
    }


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
