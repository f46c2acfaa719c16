"""What a slow reasoner costs a duplex model's frames: conversations in pairs, with and without.

python scripts/reasoner_cost.py                          duplex-nano, 30 pairs of 20 s
python scripts/reasoner_cost.py --planner PRESET --pairs 5 --seconds 10 --json FILE

Both conversations hear the same noise in real time, at absolute times, on the same warm processes;
during one of them the planner's language model thinks without a pause, in a process of its own and
at a lower priority. Which of the two comes first changes from pair to pair. What is printed is the
difference of each pair: of a frame's latency (last sample in → frame out) and of its service time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.stats.differences import typical
from pipelines.cache import Tell
from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from pipelines.duplex.build import prepare
from pipelines.duplex.session.warmth import like_speech
from pipelines.duplex.session.wire import int16_of_bytes, pcm_to_bytes
from pipelines.errors import ModelError
from pipelines.marks import Mark, MarkList
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess
from pipelines.server.session.conversation import Session
from pipelines.server.session.forms import provide
from pipelines.server.session.pipeline import PipelineBackend
from pipelines.spec import PipelineSpec, load_spec
from pipelines.watch.reasoner import planner_process, provide_planner

PRESET = "duplex-nano"
PLANNER = "cascade-whisper-llama-piper"
"""Its language model has random weights of 0.5b: a real cost, and no plan worth reading."""
FRAME_S = 0.08
PLAN_TOKENS = 64
"""Longest plan."""
SETTLED = 25
"""Frames of a conversation that are left out."""
TASK = {"task": "bring", "object": "red cup"}


@dataclass(frozen=True, slots=True)
class Timing:
    """Frame times of one conversation, ms."""

    latency_p50: float
    latency_p99: float
    service_p50: float
    service_p99: float
    plans: int
    """Plans that were finished meanwhile."""


async def conversation(
    spec: PipelineSpec, models: ModelPool, seconds: float, planner: ModelProcess | None
) -> Timing:
    """Plays one, with the planner at work or without."""
    marks = MarkList()
    plans: list[str] = []
    frames = [int16_of_bytes(pcm_to_bytes(f)) for f in like_speech(round(seconds / FRAME_S))]
    thinking = asyncio.create_task(_think(planner, plans)) if planner else None
    try:
        async with Session(PipelineBackend(spec, models, marks), marks=marks) as talk:
            start_s = asyncio.get_running_loop().time()
            for index, pcm in enumerate(frames):
                due_s = start_s + (index + 1) * FRAME_S
                await asyncio.sleep(due_s - asyncio.get_running_loop().time())
                talk.push(pcm, round(due_s * NS_PER_S))
                talk.take_events()
            await asyncio.sleep(2 * FRAME_S)
    finally:
        if thinking is not None:
            thinking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await thinking
    return timing(marks.marks, len(plans))


async def _think(planner: ModelProcess, plans: list[str]) -> None:
    """Lets the planner think, one task after the other."""
    while True:
        async for reply, _ in planner.request("plan", TASK):
            plans.append(reply["plan"])


def timing(marks: list[Mark], plans: int) -> Timing:
    """Frame times of a conversation's marks.

    Raises:
        ModelError: too few frames came out.
    """
    times: dict[str, dict[int, int]] = {"frame_in": {}, "frame_out": {}, "start": {}, "done": {}}
    for mark in marks:
        if mark.stage == "duplex" and mark.event in times and mark.value is not None:
            times[mark.event].setdefault(int(mark.value), mark.t_ns)
    latency = _between(times["frame_in"], times["frame_out"])
    service = _between(times["start"], times["done"])
    if len(latency) < SETTLED:
        raise ModelError(f"only {len(latency)} frames came out: play longer conversations.")
    found = [float(np.percentile(v, q)) for v in (latency, service) for q in (50, 99)]
    return Timing(found[0], found[1], found[2], found[3], plans)


def _between(first: dict[int, int], last: dict[int, int]) -> list[float]:
    """Time between two marks of each frame, ms; the first frames are left out."""
    both = sorted(set(first) & set(last))[SETTLED:]
    return [(last[index] - first[index]) / NS_PER_MS for index in both]


async def measure(
    preset: str, planner: str, pairs: int, seconds: float, tell: Tell
) -> list[tuple[Timing, Timing]]:
    """(without, with) of each pair."""
    spec = load_spec(preset)
    provide(spec, tell)
    provide_planner(planner, tell)
    found = []
    async with ModelPool(MarkList()) as models:
        await prepare(spec, models)
        process = await planner_process(planner, PLAN_TOKENS, models)
        for pair in range(pairs):
            order = (None, process) if pair % 2 == 0 else (process, None)
            played = [await conversation(spec, models, seconds, one) for one in order]
            without, with_it = played if pair % 2 == 0 else reversed(played)
            found.append((without, with_it))
            tell(f"pair {pair + 1} of {pairs}: p99 {without.latency_p99:.1f} ms without, "
                 f"{with_it.latency_p99:.1f} with")  # fmt: skip
            await models.settle()
    return found


def table(pairs: list[tuple[Timing, Timing]]) -> list[str]:
    """Lines of Markdown: each figure without and with, and the difference of the pairs."""
    lines = ["| ms | without | with | difference (95 %) |", "|---|---|---|---|"]
    for what in ("latency_p50", "latency_p99", "service_p50", "service_p99"):
        without = [getattr(one, what) for one, _ in pairs]
        with_it = [getattr(one, what) for _, one in pairs]
        shift = typical([b - a for a, b in zip(without, with_it, strict=True)])
        bounds = "–" if shift.low is None else f"{shift.low:+.2f} to {shift.high:+.2f}"
        lines.append(
            f"| {what.replace('_', ' ')} | {np.median(without):.2f} | {np.median(with_it):.2f} | "
            f"{shift.value:+.2f} ({bounds}) |"
        )
    lines.append(f"\nn = {len(pairs)} pairs; {sum(b.plans for _, b in pairs)} plans meanwhile")
    return lines


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--preset", default=PRESET)
    parser.add_argument("--planner", default=PLANNER)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    from loguru import logger

    logger.remove()
    began_ns = monotonic_ns()
    pairs = asyncio.run(measure(given.preset, given.planner, given.pairs, given.seconds, print))
    print("\n".join(table(pairs)))
    print(f"{(monotonic_ns() - began_ns) / NS_PER_S:.0f} s in all")
    if given.json:
        rows = [{"without": asdict(a), "with": asdict(b)} for a, b in pairs]
        given.json.write_text(json.dumps(rows, indent=1))


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


if __name__ == "__main__":
    main()
