"""What a user's memory costs: retrieval from 100,000 memories, and what it adds to conversations.

    python scripts/memory_cost.py retrieval                      # p50 and p99 of a search
    python scripts/memory_cost.py cascade-embedded --pairs 40    # added to voice_to_voice
    python scripts/memory_cost.py duplex-nano --pairs 20         # added to frame latency

A pair is the same recorded user twice, once with a memory of 100,000 utterances that holds
something about what is said, and once without a memory; which comes first alternates. The voice's
time is real. voice_to_voice: from the label's last sample to the write of the first audible chunk.
Frame latency: from the due time of a frame to the write of the model's own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from loguru import logger
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.fixtures.library import fixtures_root, load, read_pcm  # noqa: E402 (found by the path)
from bench.stats.differences import typical  # noqa: E402
from pipelines.audio.resample import resample  # noqa: E402
from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns  # noqa: E402
from pipelines.server.memory.disk.database import open_to_write, path_of, transaction  # noqa: E402
from pipelines.server.memory.memories import Memories  # noqa: E402
from pipelines.server.memory.options import MemoryOptions  # noqa: E402
from pipelines.server.service.service import Limits, VoiceService  # noqa: E402
from pipelines.server.session.events import AudioOut, Event, Memory  # noqa: E402
from pipelines.server.session.first_audio import is_audible  # noqa: E402
from pipelines.spec import load_spec  # noqa: E402
from training.memory.people import beside, people  # noqa: E402

USER = "ada"
MEMORIES = 100_000
NEW_WORDS = 3_000
"""Words that only some memories have, beside those of the labelled set."""
SPOKEN = {
    "cmd_bring_green_cup": "the green cup is on the shelf",
    "cmd_blue_ball_table": "the blue ball is in the basket",
    "cmd_red_block_window": "the red block is under the window",
    "cmd_purple_sock": "the purple sock is behind the bed",
    "cmd_bring_yellow_book": "the yellow book is on the sofa",
    "cmd_plate_shelf": "the white plate is in the box",
    "q_where_blue_ball": "the blue ball is in the basket",
    "cmd_pen_desk": "the black pen is in the drawer",
}
"""Fixture → what the memory knows of it, in words that duplex-nano has."""
AFTER_S = 4.0
"""Silence behind the user's words in which the agent answers, s."""
AIMS_MS = {"retrieval": 30.0, "cascade": 20.0, "duplex": 5.0}


def main() -> None:
    """Measures what is asked for, and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", help="retrieval, or a preset")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--memories", type=int, default=MEMORIES)
    chosen = parser.parse_args()
    logger.remove()
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), chosen.memories)
        if chosen.what == "retrieval":
            retrieval(Path(folder), chosen.memories)
        else:
            asyncio.run(conversations(chosen.what, Path(folder), chosen.pairs))


def fill(folder: Path, count: int) -> None:
    """A memory of ``count`` utterances: halves of the labelled set's sentences, anew combined."""
    draw = random.Random(1)
    everyone = people()
    pool = [text for one in everyone for text in (*one.said, *beside(one))]
    rows = []
    for k in range(count - len(SPOKEN)):
        first, second = draw.choice(pool).split(), draw.choice(pool).split()
        more = [f"{draw.choice(first)}{draw.randrange(NEW_WORDS)}"] if draw.random() < 0.5 else []
        text = " ".join([*first[: len(first) // 2 + 1], *second[len(second) // 2 :], *more])
        rows.append((f"c{k // 40}", time.time() - count + k, text))
    rows += [("known", time.time() - 1, text) for text in SPOKEN.values()]
    connection = open_to_write(path_of(folder, USER), USER)
    with contextlib.closing(connection), transaction(connection):
        connection.executemany(
            "INSERT INTO memories (conversation, said_s, source, text, importance) "
            "VALUES (?, ?, 'user', ?, 0.8)",
            rows,
        )


def retrieval(folder: Path, count: int) -> None:
    """Prints the time of a search, as a conversation waits for it."""
    house = Memories(MemoryOptions(folder=folder))
    memory = house.of(USER, "now")
    texts = [asked.text for one in people() for asked in one.asked] * 4
    memory.find(texts[0])  # opens the database
    times_ms, cpu_ms = [], []
    for text in texts:
        began_ns, cpu_ns = monotonic_ns(), time.thread_time_ns()
        memory.find(text)
        times_ms.append((monotonic_ns() - began_ns) / NS_PER_MS)
        cpu_ms.append((time.thread_time_ns() - cpu_ns) / NS_PER_MS)
    memory.close()
    house.close()
    p50, p99, worst = np.quantile(times_ms, [0.5, 0.99, 1.0])
    kept = "kept" if p99 <= AIMS_MS["retrieval"] else "missed"
    print(
        f"retrieval from {count} memories, {len(times_ms)} searches: p50 {p50:.1f} ms, p99 "
        f"{p99:.1f} ms, longest {worst:.1f} ms; of a core's time p50 "
        f"{np.quantile(cpu_ms, 0.5):.1f} ms, p99 {np.quantile(cpu_ms, 0.99):.1f} ms (aim: p99 "
        f"{AIMS_MS['retrieval']:g} ms, {kept})"
    )


@dataclass(frozen=True, slots=True)
class Played:
    """One conversation."""

    answer_ms: float | None
    """voice_to_voice; None: nothing was heard."""
    frames_ms: tuple[float, ...]
    """Latency of each frame that came out."""
    injected: int
    """Memories that came back."""


async def conversations(preset: str, folder: Path, pairs: int) -> None:
    """Plays the pairs, and prints what the memory added."""
    options = MemoryOptions(folder=folder, listener_lm="domain")
    service = VoiceService([load_spec(preset)], Limits(seats=1), memory=Memories(options))
    await service.start()
    duplex = service.can()[preset].full_duplex
    found: list[tuple[Played, Played]] = []
    try:
        for name in SPOKEN if pairs else ():  # the first of each is slower
            await played(service, name, USER)
            break
        for k in range(pairs):
            name = list(SPOKEN)[k % len(SPOKEN)]
            both: dict[bool, Played] = {}
            for with_memory in (k % 2 == 0, k % 2 == 1):
                both[with_memory] = await played(service, name, USER if with_memory else None)
            found.append((both[True], both[False]))
    finally:
        await service.close()
    print(f"{preset}: {pairs} pairs, {sum(a.injected > 0 for a, _ in found)} with an injection")
    assert not any(without.injected for _, without in found)
    if duplex:
        _frames(found)
    else:
        _answers(found)


def _answers(found: Sequence[tuple[Played, Played]]) -> None:
    added = [
        a.answer_ms - b.answer_ms
        for a, b in found
        if a.answer_ms is not None and b.answer_ms is not None
    ]
    shift, aim = typical(added), AIMS_MS["cascade"]
    print(
        f"voice_to_voice, {len(added)} answered pairs: the memory adds {_told(shift.value)} ms "
        f"[{_told(shift.low)}, {_told(shift.high)}], median {np.median(added):+.1f} ms (aim: "
        f"median {aim:g} ms, {'kept' if np.median(added) <= aim else 'missed'})"
    )


def _frames(found: Sequence[tuple[Played, Played]]) -> None:
    ends = [np.concatenate([pair[side].frames_ms for pair in found]) for side in (0, 1)]
    (p50, p99), (base50, base99) = (np.quantile(values, [0.5, 0.99]) for values in ends)
    added, aim = p99 - base99, AIMS_MS["duplex"]
    draw = np.random.default_rng(1)
    samples = []
    for _ in range(500):  # whole pairs: the frames of a conversation are of one piece
        taken = [found[k] for k in draw.integers(0, len(found), len(found))]
        both = [np.concatenate([pair[side].frames_ms for pair in taken]) for side in (0, 1)]
        samples.append(float(np.quantile(both[0], 0.99) - np.quantile(both[1], 0.99)))
    low, high = np.quantile(samples, [0.025, 0.975])
    print(
        f"frame latency, {len(ends[0])} and {len(ends[1])} frames: p50 {base50:.1f} → {p50:.1f} "
        f"ms, p99 {base99:.1f} → {p99:.1f} ms; the memory adds {added:+.1f} ms [{low:+.1f}, "
        f"{high:+.1f}] to p99 (aim {aim:g} ms, {'kept' if added <= aim else 'missed'})"
    )


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


async def played(service: VoiceService, name: str, user: str | None) -> Played:
    """One conversation: the recorded user, then silence."""
    (turn,) = load(fixtures_root() / f"{name}.toml").turns
    async with service.conversation(None, "cost", user) as talk:
        rate_hz = talk.in_rate_hz
        pcm = resample(read_pcm(turn), 16_000, rate_hz)
        off = turn.u_off_sample * rate_hz // 16_000
        pcm = np.concatenate([pcm, np.zeros(round(AFTER_S * rate_hz), np.int16)])
        frame = rate_hz * 80 // 1_000 if talk.capabilities.full_duplex else rate_hz // 50
        events: list[Event] = []
        reading = asyncio.create_task(_read(talk.events(), events))
        start_ns = monotonic_ns()
        due = await _speak(talk.push, pcm, frame, rate_hz, start_ns)
        await talk.stop()
        await reading
    off_ns = start_ns + off * NS_PER_S // rate_hz
    sounds = [event for event in events if isinstance(event, AudioOut)]
    heard = [e.t_ns for e in sounds if e.t_ns > off_ns and is_audible(e.pcm) and not e.is_filler]
    late = [(e.t_ns - at_ns) / NS_PER_MS for e, at_ns in zip(sounds, due, strict=False)]
    return Played(
        (heard[0] - off_ns) / NS_PER_MS if heard else None,
        tuple(late) if talk.capabilities.full_duplex else (),
        sum(len(event.injected) for event in events if isinstance(event, Memory)),
    )


async def _speak(
    push: Callable[[bytes, int], None],
    pcm: NDArray[np.int16],
    frame: int,
    rate_hz: int,
    start_ns: int,
) -> list[int]:
    """Pushes frames when they are due; returns their due times."""
    due = []
    for first in range(0, len(pcm) - frame + 1, frame):
        due_ns = start_ns + (first + frame) * NS_PER_S // rate_hz
        await asyncio.sleep(max(0.0, (due_ns - monotonic_ns()) / NS_PER_S))
        push(pcm[first : first + frame].tobytes(), due_ns)
        due.append(due_ns)
    return due


async def _read(events: AsyncIterator[Event], into: list[Event]) -> None:
    async for event in events:
        into.append(event)


if __name__ == "__main__":
    main()
