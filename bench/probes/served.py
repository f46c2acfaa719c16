"""Conversations with a full-duplex preset behind ``/v1/stream``, several at a time, in real time.

Each client sends a frame of 80 ms when its last sample would be spoken, and gets one back for each:
how late, how regularly, and whether it falls behind. A frame's latency is from its input's sending
to the arrival of its answer, door, session and pipeline with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from bench.stats.trend import MIN_SPAN_S, Slope, theil_sen
from pipelines.audio.jitter import JitterBuffer
from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns

RATE_HZ = 24_000
FRAME_MS = 80
FRAME = RATE_HZ * FRAME_MS // 1_000
DISCARDED = 25
"""Frames at the start of a conversation that do not count."""
ANSWERED_BY = 1
"""The first frame of speech is the answer to this frame of input: a model of codes that are one
frame late has none for the first."""
LATE_MS = 5.0
"""Lateness of the clients, 99th percentile, above which a measurement is invalid, ms."""
END_S = 2.0
"""Longest wait for the last frames, s."""
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Talk:
    """What one client did and heard, on the machine's clock."""

    due_ns: list[int] = field(default_factory=list)
    """When each frame was due."""
    sent_ns: list[int] = field(default_factory=list)
    """When it was sent."""
    heard_ns: list[int] = field(default_factory=list)
    """When each frame of the agent's began to arrive."""
    pcm: bytearray = field(default_factory=bytearray)
    """(n,) int16: what was heard."""
    words: str = ""
    """What the agent said."""
    error: str = ""

    @property
    def late_ms(self) -> Floats:
        """Lateness of each frame of the client's."""
        late_ns = np.array(self.sent_ns, np.float64) - np.array(self.due_ns, np.float64)
        late_ms: Floats = late_ns / NS_PER_MS
        return late_ms

    @property
    def latency_ms(self) -> Floats:
        """(n,) latency of each frame that counts."""
        sent = np.array(self.sent_ns[ANSWERED_BY:], np.float64)
        n = min(len(sent), len(self.heard_ns))
        return ((np.array(self.heard_ns[:n], np.float64) - sent[:n]) / NS_PER_MS)[DISCARDED:]

    def misses(self, preroll_ms: float) -> int:
        """Frames that came after the last one had been played, with a pre-roll."""
        buffer = JitterBuffer(1_000, preroll_ms)
        missed = 0
        for k, t_ns in enumerate(self.heard_ns):
            before = buffer.underruns
            buffer.push(t_ns, FRAME_MS)
            missed += (buffer.underruns - before) if k >= DISCARDED else 0
        return missed

    @property
    def drift(self) -> Slope | None:
        """How fast the latency grows, ms per s; None: it was too short to say."""
        latency = self.latency_ms
        at_s = np.array(self.heard_ns[DISCARDED : DISCARDED + len(latency)], np.float64) / NS_PER_S
        if not len(at_s) or at_s[-1] - at_s[0] < MIN_SPAN_S:
            return None
        return theil_sen(at_s, latency)


@dataclass(frozen=True, slots=True)
class Served:
    """Some conversations at a time."""

    talks: Sequence[Talk]
    server_percent: float
    """CPU of the server's own process, % of a core."""
    models_percent: float
    """CPU of its models' processes, % of a core, all together."""

    @property
    def frames(self) -> int:
        """Frames that count."""
        return sum(len(talk.latency_ms) for talk in self.talks)

    def latency(self, p: float) -> float:
        """A quantile of the frames' latency, of all conversations together, ms."""
        every = np.concatenate([talk.latency_ms for talk in self.talks])
        return float(np.quantile(every, p, method="inverted_cdf")) if len(every) else float("nan")

    def miss_percent(self, preroll_ms: float) -> float:
        """Share of the frames that missed their deadline, %."""
        missed = sum(talk.misses(preroll_ms) for talk in self.talks)
        return 100 * missed / self.frames if self.frames else float("nan")

    @property
    def late_ms(self) -> float:
        """Lateness of the clients themselves, 99th percentile, ms."""
        every = np.concatenate([talk.late_ms for talk in self.talks])
        return float(np.quantile(every, 0.99, method="inverted_cdf"))

    @property
    def fault(self) -> str:
        """Why it counts for nothing, a few words; empty: it counts."""
        errors = [talk.error for talk in self.talks if talk.error]
        if errors:
            return errors[0]
        if any(not talk.heard_ns for talk in self.talks):
            return "a conversation got no audio"
        return f"clients late by {self.late_ms:.1f} ms" if self.late_ms > LATE_MS else ""

    @property
    def drift(self) -> float | None:
        """The largest drift of any conversation, ms per s; None: too short to say."""
        slopes = [talk.drift for talk in self.talks]
        found = [slope.value for slope in slopes if slope is not None]
        return max(found) if len(found) == len(self.talks) else None

    @property
    def keeps_up(self) -> bool:
        """Whether every conversation was in real time: 1 % of the deadlines missed at most."""
        drift = self.drift
        falls_behind = drift is not None and drift > 1
        return not self.fault and self.miss_percent(0) <= 1 and not falls_behind


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """Within, ``duplex-lab serve`` at a free port; yields its address and its process.

    Args:
        arguments: Presets and options.
    """
    command = [sys.executable, "-m", "bench.cli.main", "serve", *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"Serving .* at (http://\S+)", line):
                    yield found[1], psutil.Process(process.pid)
                    break
            else:
                raise SystemExit("serve ended before it listened")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


async def talk(
    url: str,
    pcm: npt.NDArray[np.int16],
    frames: int,
    all_listen: asyncio.Barrier,
    preset: str = "",
    phase: float = 0.0,
    end_s: float = END_S,
) -> Talk:
    """One conversation in real time.

    Args:
        url: ``http://host:port`` of the server.
        pcm: (n,) the user's audio at 24 kHz, again and again.
        frames: Frames to speak.
        all_listen: The clients that begin together, once every agent listens.
        preset: The preset; empty: the server's default.
        phase: Part of a frame by which it begins later, from 0 to 1.
        end_s: Longest wait for the last frames, s.
    """
    import websockets

    done = Talk()
    loop = np.pad(pcm, (0, -len(pcm) % FRAME)).reshape(-1, FRAME)
    address = f"{url.replace('http', 'ws', 1)}/v1/stream?preset={preset}"
    try:
        async with websockets.connect(address, compression=None) as socket:
            while (await _told(socket, done)).get("state") != "listening":
                pass
            listening = asyncio.create_task(_listen(socket, done))
            await all_listen.wait()
            begin_ns = monotonic_ns() + round(phase * FRAME_MS * NS_PER_MS)
            for k in range(frames):
                due_ns = begin_ns + (k + 1) * FRAME_MS * NS_PER_MS
                await asyncio.sleep(max(0, due_ns - monotonic_ns()) / NS_PER_S)
                done.due_ns.append(due_ns)
                done.sent_ns.append(monotonic_ns())
                await socket.send(loop[k % len(loop)].tobytes())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(end_s):
                    while len(done.heard_ns) < frames - ANSWERED_BY:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
    except (OSError, websockets.WebSocketException) as error:
        done.error = done.error or str(error) or type(error).__name__
        await all_listen.abort()
    except asyncio.BrokenBarrierError:
        done.error = "another conversation could not begin"
    return done


async def _listen(socket: Any, done: Talk) -> None:
    """Takes what the agent says, to the end."""
    import websockets

    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await _told(socket, done)


async def _told(socket: Any, done: Talk) -> Mapping[str, Any]:
    """Takes one message of the server's; an empty table for audio."""
    message = await socket.recv()
    now_ns = monotonic_ns()
    if isinstance(message, bytes):
        done.pcm += message
        while len(done.heard_ns) * FRAME < len(done.pcm) // 2:
            done.heard_ns.append(now_ns)
        return {}
    told: Mapping[str, Any] = json.loads(message)
    if told.get("type") == "transcript" and told.get("who") == "agent":
        done.words += told["text"]
    elif told.get("type") == "error":
        done.error = told["message"]
    return told


async def conversations(
    url: str, server: psutil.Process, pcm: npt.NDArray[np.int16], count: int, seconds: float
) -> Served:
    """So many conversations at a time, each at its own phase within a frame."""
    models = server.children(recursive=True)
    frames = DISCARDED + round(seconds * 1_000 / FRAME_MS)
    phases = np.random.default_rng(count).permutation(count) / count
    all_listen = asyncio.Barrier(count + 1)
    gc.disable()
    try:
        running = [
            asyncio.create_task(talk(url, pcm, frames, all_listen, phase=phase)) for phase in phases
        ]
        with contextlib.suppress(asyncio.BrokenBarrierError):
            await all_listen.wait()
        before, began_ns = _cpu_s(server, models), monotonic_ns()
        talks = await asyncio.gather(*running)
        after, took_s = _cpu_s(server, models), (monotonic_ns() - began_ns) / NS_PER_S
    finally:
        gc.enable()
    own, theirs = (100 * (b - a) / took_s for a, b in zip(before, after, strict=True))
    return Served(talks, own, theirs)


def _cpu_s(server: psutil.Process, models: Sequence[psutil.Process]) -> tuple[float, float]:
    """CPU time of the server's process, and of its models'."""

    def of(process: psutil.Process) -> float:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)

    return of(server), sum(map(of, models))
