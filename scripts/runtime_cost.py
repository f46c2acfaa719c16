"""What the conductor adds to a chunk of audio, and what a greeting costs the second time.

    python scripts/runtime_cost.py                      20,000 chunks of 80 ms, with and without
    python scripts/runtime_cost.py --greetings 20       20 pairs of greetings, by cascade-embedded
    python scripts/runtime_cost.py --greetings 20 --preset cascade-people

The same chunks go through a session whose backend is bare, and through one that is conducted, with
skills and a chain; each chunk is timed by itself, and the two take turns. A greeting is timed from
the moment at which it is asked for to its first audible chunk: one that the voice has not said, and
the same again in the next conversation.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import numpy as np

from pipelines.clock import NS_PER_MS, monotonic_ns
from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.conductor import Conductor
from pipelines.server.runtime.links import Link, Opened
from pipelines.server.session.backend import Backend, Capabilities, Emit
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioIn, AudioOut, Input
from pipelines.server.skills.caller import SkillCaller
from pipelines.server.skills.registry import Registry
from pipelines.server.skills.shipped import shipped

RATE_HZ = 24_000
FRAME = np.full(1_920, 3_000, np.int16).tobytes()
US = 1_000


class Bare:
    """A backend that says what it is told."""

    capabilities = Capabilities("bare", RATE_HZ, RATE_HZ, full_duplex=True)

    def __init__(self) -> None:
        self.emit: Emit = lambda event: None

    async def start(self, emit: Emit) -> None:
        """Takes whom to tell."""
        self.emit = emit

    def push(self, chunk: AudioIn) -> None:
        """Hears nothing."""

    async def send(self, given: Input) -> None:
        """Takes nothing."""

    async def stop(self) -> None:
        """Nothing to end."""


async def nobody() -> Opened:
    """A link that is never opened here."""
    return Opened("other", Bare())


async def measure(chunks: int) -> tuple[list[float], list[float]]:
    """(bare, conducted): time of each chunk, µs."""
    plain, inner = Bare(), Bare()
    conductor: Backend = Conductor(
        Opened("bare", inner),
        [Link("other", nobody)],
        Conduct(late_s=10.0),
        SkillCaller(Registry(shipped())),
    )
    found: tuple[list[float], list[float]] = [], []
    async with Session(plain) as one, Session(conductor) as other:
        for index in range(chunks):
            chunk = AudioOut(monotonic_ns(), index, RATE_HZ, FRAME)
            for times, backend in zip(found, (plain, inner), strict=True):
                began_ns = time.perf_counter_ns()
                backend.emit(chunk)
                times.append((time.perf_counter_ns() - began_ns) / US)
            one.take_events()
            other.take_events()
    return found


async def greet(preset: str, pairs: int) -> tuple[list[float], list[float]]:
    """(first time, again): time to the first sound of each greeting, ms."""
    from pipelines.server.service.service import Limits, VoiceService
    from pipelines.server.session.events import Say
    from pipelines.server.session.first_audio import is_audible
    from pipelines.spec import load_spec

    found: tuple[list[float], list[float]] = [], []
    service = VoiceService([load_spec(preset)], Limits(seats=2))
    await service.start()
    try:
        for number in range(pairs):
            for times in found:
                async with service.conversation(None, "measure") as talk:
                    await asyncio.sleep(0.3)
                    began_ns = monotonic_ns()
                    await talk.send(Say(f"Hello, I am listening, for the time number {number}."))
                    async for event in talk.events():
                        if isinstance(event, AudioOut) and is_audible(event.pcm):
                            times.append((event.t_ns - began_ns) / NS_PER_MS)
                            break
    finally:
        await service.close()
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--greetings", type=int, default=0, help="pairs; 0: none")
    parser.add_argument("--preset", default="cascade-embedded", help="whose voice greets")
    args = parser.parse_args()
    if args.greetings:
        first, again = asyncio.run(greet(args.preset, args.greetings))
        print("| to the first sound, ms | the first time | again |\n|---|---|---|")
        for name, percent in (("p50", 50), ("p95", 95)):
            a, b = np.percentile(first, percent), np.percentile(again, percent)
            print(f"| {name} | {a:.1f} | {b:.1f} |")
        print(f"\nn = {len(first)} pairs, {args.preset}")
        return
    bare, conducted = asyncio.run(measure(args.chunks))
    print("| µs a chunk | bare | conducted | added |\n|---|---|---|---|")
    for name, percent in (("p50", 50), ("p99", 99)):
        a, b = np.percentile(bare, percent), np.percentile(conducted, percent)
        print(f"| {name} | {a:.1f} | {b:.1f} | {b - a:+.1f} |")
    print(f"\nn = {len(bare)} chunks of 80 ms")


if __name__ == "__main__":
    main()
