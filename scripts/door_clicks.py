"""What a door of the server adds to an agent's answer: clicks, paired with the in-process link.

python scripts/door_clicks.py                       300 clicks through each door
python scripts/door_clicks.py realtime --clicks 60 --json FILE

The click agent answers 80 ms after a click. The same user clicks at the same times over the lab's
own link, and then through each door of a server in a process of its own; what is printed is the
difference of each pair, as heard. A protocol's fixed delays (filters, look-ahead, jitter buffer)
are derived in `bench.probes.door_delays` and printed apart; the aim is for what is beyond them. An
answer is a click and silence of 60 ms: it fills a packet at once, as speech does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing as mp
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bench.caller.plan import CallerPlan, CallerTurn
from bench.caller.process import CallerProcess
from bench.lines.line import LineChoice
from bench.lines.table import row_of
from bench.probes.door_delays import PRESET_HZ, Door, doors
from bench.runner.calibration import SPACING_MS, Calibrator, Spread, click_turn
from pipelines.click.options import CLICK_LEVEL
from pipelines.clock import NS_PER_MS, samples_to_ns
from pipelines.spec import load_spec, parse_spec

DELAY_MS = 80.0
"""The click agent's."""
HEARD = 300
"""|sample| from which an answer counts as heard."""
LEAST, DEAF_MS = 1_000, 60.0
"""Threshold of the click agent behind a door, and how long it is deaf after a click: Opus makes
several small samples of one large one."""
WARM_UP = 5
"""Clicks through a door before it is measured."""
PRESET = "click-24k"
"""The click agent at the rate of the protocols: nothing is resampled that need not be."""
ANSWER_MS = 60.0
"""Length of an answer: longer than any packet, shorter than the time between two clicks."""
DOORS = doors(PRESET)
PHASES = 17
"""Seed of the clicks' times."""


def _serve(connection: Connection) -> None:
    """A server of the click agent, until the other end closes."""
    from loguru import logger

    from pipelines.server.app.address import Address
    from pipelines.server.app.run import serving
    from pipelines.server.service.service import VoiceService

    async def run() -> None:
        text = load_spec("click").toml.replace("[audio]", f"[audio]\nin_rate_hz = {PRESET_HZ}")
        text += f"threshold = {LEAST}\ndeaf_ms = {DEAF_MS}\nanswer_ms = {ANSWER_MS}\n"
        service = VoiceService([parse_spec(PRESET, text)])
        async with serving(service, Address(port=0)) as url:
            connection.send(url.replace("http", "ws", 1))
            await asyncio.to_thread(connection.poll, None)

    logger.remove()
    asyncio.run(run())


@contextmanager
def served() -> Iterator[str]:
    """Within, a server in a process of its own; yields its address."""
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.close()
        process.terminate()
        process.join()


def same_clicks(n: int, rate_hz: int) -> CallerTurn:
    """The clicks of the link's user, at another rate: their times are the same to one sample."""
    own_hz = load_spec("click").audio.in_rate_hz
    turn = click_turn(n, PHASES, own_hz, SPACING_MS)
    at = np.flatnonzero(turn.pcm) * rate_hz // own_hz
    pcm = np.zeros(len(turn.pcm) * rate_hz // own_hz + 1, np.int16)
    pcm[at] = CLICK_LEVEL
    return replace(turn, pcm=pcm, u_on=int(at[0]), u_off=int(at[-1]) + 1)


def through(door: Door, url: str, caller: CallerProcess, clicks: int) -> list[float | None]:
    """Time from each click to its answer as heard, ms; None: none was heard."""
    rate_hz = row_of(door.line).in_rate_hz(door.options) or load_spec("click").audio.in_rate_hz
    turn = same_clicks(clicks, rate_hz)
    if door.line == "webrtc":
        url = url.replace("ws", "http", 1)
    line = LineChoice(door.line, url + door.path.format(preset=PRESET), door.options)
    plan = CallerPlan("clicks", rate_hz, (turn,), len(turn.pcm) / rate_hz + 15.0, line=line)
    caller.ask(plan)
    while isinstance(result := caller.receive(), str):
        pass
    if result.error or result.agent is None:
        raise SystemExit(f"{door.path}: {result.error or result.status}")
    start_ns = next(m.t_ns for m in result.marks if (m.stage, m.event) == ("user", "turn_start"))
    sound = np.abs(result.agent.astype(np.int32))
    delays: list[float | None] = []
    for position in np.flatnonzero(turn.pcm):
        click_ns = start_ns + samples_to_ns(int(position), rate_hz)
        first = (click_ns - result.t0_ns) * result.rate_hz // 10**9
        first += int((DELAY_MS / 2 + door.fixed_ms[0]) * result.rate_hz / 1e3)
        last = first + int(SPACING_MS[0] * result.rate_hz / 1e3)
        window = sound[max(0, first) : last]
        if not len(window) or window.max() < HEARD:
            delays.append(None)
            continue
        heard_ns = result.t0_ns + samples_to_ns(first + int(np.argmax(window)), result.rate_hz)
        delays.append((heard_ns - click_ns) / NS_PER_MS)
    return delays


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("doors", nargs="*", choices=[*DOORS, []], help="all where none is named")
    parser.add_argument("--clicks", type=int, default=300)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    with CallerProcess() as caller:
        with Calibrator(caller) as calibrator:
            own = [a.delay_ms for a in calibrator.clicks(chosen.clicks, DELAY_MS, PHASES).answered]
        print(f"in-process link: {_told(Spread.of([d - DELAY_MS for d in own]))}")
        with served() as url:
            for name in chosen.doors or DOORS:
                door = DOORS[name]
                through(door, url, caller, WARM_UP)
                delays = through(door, url, caller, chosen.clicks)
                added = [d - o for d, o in zip(delays, own, strict=True) if d is not None]
                usual_ms, most_ms = door.fixed_ms
                usual = Spread.of([ms - usual_ms for ms in added])
                lost = len(delays) - len(added)
                median_ms, p99_ms = door.aim_ms
                late = float(np.quantile(added, 0.99, method="inverted_cdf")) - most_ms
                kept = usual.median <= median_ms and late <= p99_ms and not lost
                print(
                    f"/{name}: adds {_told(Spread.of(added))}; beyond its fixed delays: median "
                    f"{usual.median:+.2f} ms, p99 {late:+.2f} ms (aim {median_ms:g} / {p99_ms:g}: "
                    f"{'kept' if kept else 'missed'}{f', {lost} clicks lost' if lost else ''}); "
                    f"fixed: {usual_ms:.1f} to {most_ms:.1f} ms"
                    + "".join(f"; {one.what} {one.ms:.1f}" for one in door.fixed)
                )
                found[name] = {
                    "median_ms": usual.median, "p99_ms": late, "fixed_ms": door.fixed_ms,
                    "lost": lost, "kept": kept, "added_ms": added,
                }  # fmt: skip
    if chosen.json:
        chosen.json.write_text(json.dumps({"link_ms": own, "doors": found}, indent=2) + "\n")


def _told(spread: Spread) -> str:
    return (
        f"n = {spread.n}, median {spread.median:+.2f} ms, p99 {spread.p99:.2f} ms, "
        f"max {spread.max:.2f} ms"
    )


if __name__ == "__main__":
    main()
