#!/usr/bin/env python3
"""Measures one agent of known delay by duplex-lab, voicebench and callback-voice, side by side.

The agent answers a set time after the last audible sample that reached it, and reports what it did.
Each tool calls it over its own raw WebSocket with the same recorded user; then again while the
tool's processes are stopped for 400 ms in each turn, as by a busy machine: the agent's delay is the
same, so what a tool reports more is its own. The peers are installed, pinned, into an environment
of their own in a temporary folder (callback-voice needs Python 3.12).

    .venv/bin/python scripts/peers.py                       # everything, about 12 minutes
    .venv/bin/python scripts/peers.py --tool voicebench --delays 500 --keep peers-env
    .venv/bin/python scripts/peers.py --write               # … and docs/peers.md from the results

Results of single tools are kept in --results, so that a table can be made in portions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

import numpy as np
import psutil
import soundfile
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402  (found by the path above)

PAGE = ROOT / "docs" / "peers.md"
PINNED = {"voicebench": "0.2.0", "callback-voice": "0.1.2"}
"""Package → version of the peers."""
RATE_HZ, FRAME = 16_000, 320
FIXTURE, VOICE = "cmd_close_door", "cmd_dance"
"""What the user says, and what the agent does: speech, which the peers' detectors ask for."""
LOUD_DBFS = -30.0
"""Level at which the peers' user ends and the agent begins: sharply, so that no tool's threshold of
audibility matters."""
AUDIBLE = 104
"""Size of an audible sample, of 32768: −50 dBFS, as everywhere here."""
QUIET_S = 0.2
"""Silence after which the agent takes the user's utterance to be over."""
STALL_AFTER_S, STALL_S = 0.25, 0.4
"""A stall: from so long after the user's end, so long. It covers an answer after 500 ms."""
STALLED_DELAY_MS = 500


# The agent


async def serve(delay_s: float, tail_s: float) -> None:
    """Serves until it is ended; prints a line of JSON for each thing that it does.

    Args:
        delay_s: Its delay.
        tail_s: How long after the user's end, as it is labelled, soft samples still come.
    """
    from websockets.asyncio.server import serve as listen

    tone = sharp(VOICE).astype("<i2").tobytes()

    def tell(**what: float) -> None:
        print(json.dumps(what), flush=True)

    async def call(socket: Any) -> None:
        last: float | None = None
        answering: asyncio.Task[None] | None = None
        told = False

        async def answer(since: float) -> None:
            await asyncio.sleep(max(0.0, since + delay_s - time.monotonic()))
            began = time.monotonic()
            tell(delay_ms=1000 * (began - since))
            for k in range(0, len(tone), 2 * FRAME):
                await asyncio.sleep(max(0.0, began + k / 2 / RATE_HZ - time.monotonic()))
                await socket.send(tone[k : k + 2 * FRAME])

        async for message in socket:
            if isinstance(message, str):
                continue
            arrived, pcm = time.monotonic(), np.frombuffer(message, "<i2")
            loud = np.flatnonzero(np.abs(pcm.astype(int)) >= AUDIBLE)
            if loud.size and (answering is None or not told):
                last, told = arrived - (len(pcm) - 1 - loud[-1]) / RATE_HZ - tail_s, False
                if answering is not None:
                    answering.cancel()
                answering = asyncio.create_task(answer(last))
            elif last is not None and not told and arrived - last >= QUIET_S:
                told = True
                tell(ended=last)
            if told and answering is not None and answering.done():
                answering, last, told = None, None, False

    async with listen(call, "127.0.0.1", 0, max_size=None) as server:
        tell(port=next(iter(server.sockets)).getsockname()[1])
        await asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class Agent:
    """The agent in its process, and what it reported."""

    port: int
    ended: list[float] = field(default_factory=list)
    """Ends of the user's utterances, on the machine's monotonic clock, s."""
    delays_ms: list[float] = field(default_factory=list)
    """What it really waited, a turn each."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"ws://127.0.0.1:{self.port}/"


@contextmanager
def agent(delay_ms: float, tail_ms: float) -> Iterator[Agent]:
    """The agent, while it serves."""
    command = [sys.executable, __file__, "--serve", str(delay_ms), "--tail", str(tail_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        made = Agent(json.loads(process.stdout.readline())["port"])

        def read(lines: Any) -> None:
            for line in lines:
                said = json.loads(line)
                made.ended += [said["ended"]] if "ended" in said else []
                made.delays_ms += [said["delay_ms"]] if "delay_ms" in said else []

        Thread(target=read, args=(process.stdout,), daemon=True).start()
        try:
            yield made
        finally:
            process.terminate()


# The tools


@dataclass(frozen=True, slots=True)
class Reported:
    """What a tool says of its turns."""

    latencies_ms: list[float | None]
    """Its figure of each turn, by time; None where it has none, or calls it invalid."""
    said: str = ""
    """What it says of turns without one."""


Tool = Callable[[str, Path, Path, int], tuple[list[str], Callable[[], Reported]]]
"""(address, folder, environment of the peers, turns) → its command, and what reads its results."""


def ours(url: str, folder: Path, _: Path, turns: int) -> tuple[list[str], Callable[[], Reported]]:
    """duplex-lab: a call for each turn; nothing is played again."""
    preset = folder / "agent.toml"
    preset.write_text(
        'title = "Agent of known delay"\narchitecture = "remote"\nkind = "remote"\n'
        f'weights = "scripted"\n[agent]\nurl = "{url}"\nline = "pcm-websocket"\n'
        f"[agent.options]\nrate_hz = {RATE_HZ}\n",
        encoding="utf-8",
    )
    command = [
        sys.executable, "-m", "bench.cli.main", "run", "--presets", str(preset), "--fixtures",
        FIXTURE, "--repeats", str(turns), "--retries", "0", "--out", str(folder / "run"),
    ]  # fmt: skip

    def read() -> Reported:
        from bench.store.store import read_metrics

        rows = [
            row
            for row in read_metrics(folder / "run")
            if row.metric == "voice_to_voice" and not row.warmup
        ]
        rows.sort(key=lambda row: row.repeat)
        why = [row.reason or "" for row in rows if not row.valid]
        said = f"not valid, {why[0]}" if why else ""
        return Reported([r.value if r.valid else None for r in rows], said)

    return command, read


def voicebench(
    url: str, folder: Path, env: Path, turns: int
) -> tuple[list[str], Callable[[], Reported]]:
    """voicebench: one session of all turns, by its own command."""
    wav = user_wav(folder)
    start = {"after": "session_start", "delay_ms": 500}
    again = {"after": "agent_speech_end", "delay_ms": 800}
    scenario = {
        "name": "known-delay",
        "sample_rate": RATE_HZ,
        "max_duration_ms": 170_000,
        "adapter": {"type": "websocket", "options": {"url": url}},
        "turns": [
            {"id": f"t{i}", "audio": {"file": str(wav)}, "start": again if i else start}
            for i in range(turns)
        ],
    }
    (folder / "scenario.yaml").write_text(json.dumps(scenario), encoding="utf-8")
    out = folder / "out"
    command = [
        str(env / "bin" / "voicebench"), "run", str(folder / "scenario.yaml"), "--out", str(out),
        "--format", "json", "-q",
    ]  # fmt: skip

    def read() -> Reported:
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        found = list(_turns(report))
        return Reported([turn["response_latency_ms"] for turn in found])

    return command, read


def _turns(report: Any) -> Iterator[dict[str, Any]]:
    """The turns anywhere in a report, in order."""
    if isinstance(report, dict):
        if "response_latency_ms" in report and "id" in report:
            yield report
            return
        report = list(report.values())
    if isinstance(report, list):
        for part in report:
            yield from _turns(part)


CALLBACK = """
import asyncio, json, sys
from pathlib import Path
import soundfile
from callback_voice.caller.brain.scripted_brain import ScriptedBrain
from callback_voice.caller.engine.call_session import CallSession, CallSetup
from callback_voice.caller.speech.caller_speech import CallerSpeech
from callback_voice.core.config.provider_config import ProviderChoice
from callback_voice.core.config.target_config import WebSocketTarget
from callback_voice.core.models.caller_spec import CallerSpec
from callback_voice.core.models.thresholds import Thresholds
from callback_voice.providers.vad.build_vad import build_vad
from callback_voice.scoring.score_call import score_call
from callback_voice.transports.build_transport import build_transport

url, wav, folder, turns = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])

class Recording:
    name = identity = "recording"
    async def synthesize(self, text, **_):
        return soundfile.read(wav, dtype="float32")[0]

script = tuple(f"line {i}" for i in range(turns))
spec = CallerSpec(persona="a caller", goal="an answer", speaks_first=True, script=script)
make_vad = lambda: build_vad(ProviderChoice(name="silero"))
setup = CallSetup(
    call_id="known-delay", spec=spec, max_duration_s=170.0,
    transport=build_transport(WebSocketTarget(url=url)), brain=ScriptedBrain(script),
    speech=CallerSpeech(Recording(), spec), make_vad=make_vad,
)
outcome = asyncio.run(CallSession(setup).run())
outcome.recorder.save(folder)
outcome.log.save(folder / "events.jsonl")
score = score_call(folder, Thresholds(), make_vad())
metric = next(m for m in score.metrics if m.name.startswith("response_latency"))
found = {"samples": metric.samples, "lateness_s": outcome.max_lateness_s}
(folder / "found.json").write_text(json.dumps(found))
"""
"""One call of callback-voice, by its own classes: its command asks for a synthesiser's models,
which a recorded user does not need."""


def callback(
    url: str, folder: Path, env: Path, turns: int
) -> tuple[list[str], Callable[[], Reported]]:
    """callback-voice: one call of all turns."""
    wav, driver = user_wav(folder), folder / "driver.py"
    driver.write_text(CALLBACK, encoding="utf-8")
    command = [str(env / "bin" / "python"), str(driver), url, str(wav), str(folder), str(turns)]

    def read() -> Reported:
        found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        return Reported([1000 * s for s in found["samples"]])

    return command, read


TOOLS: dict[str, Tool] = {"duplex-lab": ours, "voicebench": voicebench, "callback-voice": callback}
"""Name of a tool → how it is run."""
LEAD_MS = {"duplex-lab": 0.0, "voicebench": 20.0, "callback-voice": 20.0}
"""How long before its last sample is due a tool sends a message. A microphone has a message when
its last sample was spoken; tools that send it when its first is due count 20 ms less, rightly."""


def _turn_of(name: str) -> tuple[NDArray[np.int16], int]:
    """A fixture's utterance, and the sample after its labelled end."""
    from bench.fixtures.library import read_pcm, select

    (fixture,) = select(name)
    turn = fixture.turns[0]
    return read_pcm(turn), turn.u_off_sample + 1


def sharp(name: str) -> NDArray[np.int16]:
    """A fixture's utterance from its first loud window of 5 ms to its last."""
    pcm, _ = _turn_of(name)
    window = RATE_HZ // 200
    whole = pcm[: len(pcm) // window * window].astype(np.float64).reshape(-1, window)
    level = np.sqrt(np.mean(np.square(whole), axis=1)) / 32_768
    loud = np.flatnonzero(level >= 10 ** (LOUD_DBFS / 20))
    return pcm[loud[0] * window : (loud[-1] + 1) * window]


def tail_ms(tool: str) -> float:
    """How long soft samples come after the labelled end of what a tool plays, ms."""
    if tool != "duplex-lab":
        return 0.0
    pcm, end = _turn_of(FIXTURE)
    audible = np.flatnonzero(np.abs(pcm.astype(int)) >= AUDIBLE)
    return float(1000 * (audible[-1] + 1 - end) / RATE_HZ)


def user_wav(folder: Path) -> Path:
    """The user's utterance as 16 kHz WAV."""
    soundfile.write(folder / "user.wav", sharp(FIXTURE), RATE_HZ)
    return folder / "user.wav"


# A measurement


@dataclass(frozen=True, slots=True)
class Result:
    """A tool on the agent at one delay."""

    tool: str
    delay_ms: float
    stalled: bool
    """Whether the tool's processes were stopped for 400 ms in each turn."""
    errors_ms: list[float]
    """Reported − the agent's own truth, of the turns that have a figure."""
    turns: int
    """Turns that the tool played."""
    said: str
    """What it says of the others."""


def measure(tool: str, delay_ms: float, *, stalled: bool, env: Path, turns: int) -> Result:
    """Runs a tool against the agent."""
    with tempfile.TemporaryDirectory() as place, agent(delay_ms, tail_ms(tool)) as served:
        command, read = TOOLS[tool](served.url, Path(place), env, turns)
        with (Path(place) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
            stalls = 0
            while process.poll() is None:
                if stalled and len(served.ended) > stalls:
                    wait_s = served.ended[stalls] + STALL_AFTER_S - time.monotonic()
                    time.sleep(max(0.0, wait_s))
                    _stall(process.pid)
                    stalls = len(served.ended)
                time.sleep(0.002)
        try:
            found = read()
        except (OSError, ValueError, StopIteration) as error:
            text = (Path(place) / "log").read_text(errors="replace")[-800:]
            sys.exit(f"{tool}: no result ({error}); its last words:\n{text}")
        # A warm-up comes first, and is in no result.
        truths = served.delays_ms[-len(found.latencies_ms) :]
        errors = [
            latency - (truth - LEAD_MS[tool])
            for latency, truth in zip(found.latencies_ms, truths, strict=False)
            if latency is not None
        ]
        return Result(tool, delay_ms, stalled, errors, len(found.latencies_ms), found.said)


def _stall(pid: int) -> None:
    """Stops a process and all that it started, and lets them go on."""
    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    stopped = []
    for one in family:
        try:
            one.suspend()
            stopped.append(one)
        except psutil.NoSuchProcess:
            continue
    time.sleep(STALL_S)
    for one in stopped:
        if one.is_running():
            one.resume()


def environment(place: Path) -> Path:
    """The environment of the peers, made where there is none."""
    if (place / "bin" / "voicebench").is_file():
        return place
    python = next((p for v in ("3.13", "3.12") if (p := shutil.which(f"python{v}"))), None)
    python = os.environ.get("PEERS_PYTHON") or python
    if python is None:
        sys.exit("callback-voice needs Python 3.12: put python3.12 on the path, or PEERS_PYTHON.")
    subprocess.run([python, "-m", "venv", str(place)], check=True)
    wanted = [f"{name}=={version}" for name, version in PINNED.items()]
    subprocess.run([str(place / "bin" / "pip"), "install", "-q", *wanted], check=True)
    return place


# The page


def table(results: list[Result]) -> str:
    """The results as Markdown."""
    lines = [
        "| agent's delay | tool | turns with a figure | error, median | p99 (n 12: the largest) |",
        "|---|---|---|---|---|",
    ]
    order = list(TOOLS)
    for one in sorted(results, key=lambda r: (r.stalled, r.delay_ms, order.index(r.tool))):
        when = f"{one.delay_ms:.0f} ms" + (", each turn stalled 400 ms" if one.stalled else "")
        n = len(one.errors_ms)
        worst = max(one.errors_ms, key=abs, default=None)
        lines.append(
            f"| {when} | {one.tool} | {n} of {one.turns}{_said(one)} "
            f"| {_ms(median(one.errors_ms) if n else None)} | {_ms(worst)} |"
        )
    return "\n".join(lines)


def _said(one: Result) -> str:
    return f"; the others: {one.said}" if one.said and len(one.errors_ms) < one.turns else ""


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f} ms".replace("-", "−")


def page_table(results: list[Result]) -> str:
    """The table, and on what it was measured."""
    own = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    versions = ", ".join(f"{name} {version}" for name, version in PINNED.items())
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    made = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{table(results)}\n\nMeasured {made} on {where}; duplex-lab {own}, {versions}."


def main() -> None:
    """Measures what is asked for, and prints the table of all results so far."""
    parser = argparse.ArgumentParser(description="duplex-lab beside its peers.")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--tail", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--tool", choices=list(TOOLS), action="append", help="one tool alone")
    parser.add_argument("--delays", default="300,500,1000", help="ms, by commas (300,500,1000)")
    parser.add_argument("--turns", type=int, default=12, help="turns at each delay (12)")
    parser.add_argument("--no-stall", action="store_true", help="without the stalls")
    parser.add_argument("--stall-only", action="store_true", help="the stalls alone")
    parser.add_argument("--keep", type=Path, help="folder of the peers' environment, kept")
    parser.add_argument("--results", type=Path, help="file of results, which is added to")
    parser.add_argument("--write", action="store_true", help=f"fill the table of {PAGE.name}")
    asked = parser.parse_args()
    if asked.serve is not None:
        asyncio.run(serve(asked.serve / 1000, asked.tail / 1000))
        return
    results = []
    if asked.results and asked.results.is_file():
        results = [Result(**one) for one in json.loads(asked.results.read_text())]
    cases = [] if asked.stall_only else [(float(ms), False) for ms in asked.delays.split(",") if ms]
    cases += [] if asked.no_stall else [(float(STALLED_DELAY_MS), True)]
    with tempfile.TemporaryDirectory() as temporary:
        env = environment(asked.keep or Path(temporary) / "peers")
        for tool in asked.tool or TOOLS:
            for delay_ms, stalled in cases:
                found = measure(tool, delay_ms, stalled=stalled, env=env, turns=asked.turns)
                key = (found.tool, found.delay_ms, found.stalled)
                results = [r for r in results if (r.tool, r.delay_ms, r.stalled) != key]
                results.append(found)
                if asked.results:
                    asked.results.write_text(json.dumps([asdict(r) for r in results], indent=1))
                print(f"{tool}, {delay_ms:.0f} ms{', stalled' if stalled else ''}: done")
    print(table(results))
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(filled(text, "peers", page_table(results)), encoding="utf-8")


if __name__ == "__main__":
    main()
