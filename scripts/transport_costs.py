"""What does a transport cost? The same bot in our process and under Pipecat's own runner.

    python scripts/transport_costs.py [--minutes 2.5] [--out FILE] [--table-only]

Each portion plays the same clicks over every way, one after the other, and adds them to FILE; a
later call goes on. Clicks of one number are paired: what a transport costs is the difference
between the answers to the same click. The table goes into docs/transports.md. 299 clicks, which
bound a p99, take ten portions of 100 s: ``--minutes 19``, or several calls of 2.5. A
portion in which the caller was late is played again.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402  (found by the path above)

from bench.agent.pool import Agent  # noqa: E402
from bench.agent.process import AgentProcess  # noqa: E402
from bench.agent.remote import RemoteAgent, in_rate_hz, line_of  # noqa: E402
from bench.caller.plan import CallerPlan, CallerTurn  # noqa: E402
from bench.caller.process import CallerProcess  # noqa: E402
from bench.lines.line import LOCAL  # noqa: E402
from bench.machine import description as machine  # noqa: E402
from bench.runner.trial import play  # noqa: E402
from bench.stats.quantiles import needed_n, quantile  # noqa: E402
from bench.store.records import Trial  # noqa: E402
from bench.timeline.lateness import broken_bound  # noqa: E402
from bench.timeline.timeline import reconstruct  # noqa: E402
from pipelines.bot.preset import bot_spec  # noqa: E402
from pipelines.click.options import CLICK_LEVEL  # noqa: E402
from pipelines.clock import NS_PER_MS, samples_to_ns  # noqa: E402
from pipelines.errors import LabError  # noqa: E402
from pipelines.spec import PipelineSpec, parse_spec  # noqa: E402

BOT = ROOT / "scripts" / "click_bot.py"
PAGE = ROOT / "docs" / "transports.md"
OUT = ROOT / "results" / "transport-costs.jsonl"
OURS = "our process"
WAYS = {
    "WebSocket (protobuf)": ("pipecat", "ws://127.0.0.1:{port}/ws-client"),
    "Twilio, 8 kHz": ("twilio", "ws://127.0.0.1:{port}/ws"),
    "SmallWebRTC": ("webrtc", "http://127.0.0.1:{port}/api/offer"),
}
"""Way → line, and the runner's address."""
CLICKS = 30
"""Clicks of a portion, over each way."""
SPACING_MS = (600, 700)
FIRST_MS = 1_500
"""Time of the first click: a pipeline that has just started settles before."""
SOUGHT_MS = (100, 590)
"""Range after a click in which the peak of its answer is sought."""
HEARD = 300
"""|sample| from which an answer counts as heard."""


def click_times_ms(portion: int) -> list[float]:
    """The times of a portion's clicks, the same over every way."""
    rng = random.Random(portion)
    times, at_ms = [], float(FIRST_MS)
    for _ in range(CLICKS):
        times.append(at_ms + rng.random())
        at_ms += rng.uniform(*SPACING_MS)
    return times


def plan_of(spec: PipelineSpec, times_ms: Sequence[float]) -> CallerPlan:
    """The caller's side of a portion."""
    is_remote = spec.architecture == "remote"
    rate_hz = in_rate_hz(spec) if is_remote else spec.audio.in_rate_hz
    at = [round(ms * rate_hz / 1000) for ms in times_ms]
    pcm = np.zeros(at[-1] + rate_hz, np.int16)
    pcm[at] = CLICK_LEVEL
    turn = CallerTurn(pcm, at[0], at[-1] + 1, "start", 0.0, timeout_s=5.0)
    line = line_of(spec) if is_remote else LOCAL
    return CallerPlan("costs", rate_hz, (turn,), len(pcm) / rate_hz + 15.0, line=line)


def answers_ms(caller: CallerProcess, agent: Agent, portion: int) -> list[float]:
    """The time from each click to its answer, as heard, ms.

    Raises:
        LabError: the caller was late, or an answer was lost.
    """
    spec, times_ms = agent.spec, click_times_ms(portion)
    plan = plan_of(spec, times_ms)
    row = Trial("costs", "costs", spec.name, "clicks", portion, 0, 0, 1, kind="click")
    outcome = play(row, spec, plan, caller, agent)
    trial, pcm = outcome.trial, outcome.recording
    if trial.error or pcm is None:
        raise LabError(trial.error or f"nothing was heard ({trial.status})")
    if late := broken_bound(reconstruct(trial, outcome.marks, pcm)):
        raise LabError(late)
    starts = [m for m in outcome.marks if (m.stage, m.event) == ("user", "turn_start")]
    found = []
    for ms in times_ms:
        position = round(ms * plan.in_rate_hz / 1000)
        click_ns = starts[0].t_ns + samples_to_ns(position, plan.in_rate_hz) - trial.t0_ns
        first, last = (
            (click_ns + round(bound * NS_PER_MS)) * trial.rate_hz // 10**9 for bound in SOUGHT_MS
        )
        window = np.abs(pcm[first:last, 1].astype(np.int32))
        if not len(window) or window.max() < HEARD:
            raise LabError(f"the answer to the click at {ms:.0f} ms was not heard")
        heard_ns = samples_to_ns(first + int(np.argmax(window)), trial.rate_hz)
        found.append((heard_ns - click_ns) / NS_PER_MS)
    return found


@contextmanager
def agents() -> Iterator[Mapping[str, Agent]]:
    """Within, the bot runs in our process and under Pipecat's runner: way → agent."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    start = f"{sys.executable} {BOT} --host 127.0.0.1 --port {port}"
    with ExitStack() as stack:
        found: dict[str, Agent] = {OURS: AgentProcess(bot_spec(BOT))}
        for way, (line, url) in WAYS.items():
            more = f"start = {json.dumps(start)}\n" if len(found) == 1 else ""
            text = (
                f'title = "{way}"\narchitecture = "remote"\nkind = "remote"\nweights = "trained"\n'
                f'[agent]\nurl = "{url.format(port=port)}"\nline = "{line}"\ngreeting_s = 0\n{more}'
            )
            found[way] = RemoteAgent(parse_spec(line, text))
        for agent in found.values():
            stack.callback(agent.stop)
        for agent in found.values():
            agent.ask("prepare")
            if error := agent.wait(60.0).error:
                raise LabError(error)
        yield found


def portions(out: Path) -> list[dict[str, list[float]]]:
    """The portions that were played: way → answers, ms."""
    lines = out.read_text(encoding="utf-8").splitlines() if out.is_file() else []
    return [json.loads(line)["answers_ms"] for line in lines]


def measure(out: Path, minutes: float) -> None:
    """Plays whole portions until the time is over."""
    end_s = time.monotonic() + 60 * minutes
    out.parent.mkdir(parents=True, exist_ok=True)
    with CallerProcess() as caller, agents() as found:
        took_s = 0.0
        while time.monotonic() + took_s < end_s:
            began_s, number = time.monotonic(), len(portions(out))
            try:
                order = sorted(found, key=lambda way: random.Random(f"{number} {way}").random())
                heard = {way: answers_ms(caller, found[way], number) for way in order}
            except LabError as error:
                print(f"portion {number} is played again: {error}", file=sys.stderr)
            else:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"portion": number, "answers_ms": heard}) + "\n")
                print(f"portion {number}: {len(heard[OURS])} clicks over each way", flush=True)
            took_s = time.monotonic() - began_s


def table(out: Path) -> str:
    """The paired differences as Markdown."""
    played = portions(out)
    pairs = {way: _together(played, way) for way in (OURS, *WAYS)}
    n, need = len(pairs[OURS]), needed_n(0.99)
    described = machine.describe()
    rows = [
        "| way | answer heard after, ms: p50 | what it costs, ms: p50 (95 %) | p95 | p99 |",
        "|---|---|---|---|---|",
    ]
    for way, values in pairs.items():
        cost = [value - ours for value, ours in zip(values, pairs[OURS], strict=True)]
        rows.append(f"| {way} | {np.median(values):.0f} | {' | '.join(_cells(cost, way))} |")
    rough = "" if n >= need else f" **Rough: n < {need}.**"
    return (
        f"n = {n} clicks over each way, on {described['cpu']}, {described['cores']} cores.{rough}"
        + "\n\n"
        + "\n".join(rows)
    )


def _together(played: Sequence[Mapping[str, Sequence[float]]], way: str) -> list[float]:
    return [ms for portion in played for ms in portion[way]]


def _cells(cost: Sequence[float], way: str) -> list[str]:
    if way == OURS:
        return ["–", "–", "–"]
    middle, *tails = (quantile(cost, p) for p in (0.5, 0.95, 0.99))
    bounds = "" if middle.low is None else f" ({middle.low:+.0f} … {middle.high:+.0f})"
    return [
        f"{middle.value:+.0f}{bounds}",
        *(one.insufficient or f"{one.value:+.0f}" for one in tails),
    ]


def main() -> None:
    """Plays some portions, and writes the table of all that were played."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.5)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table-only", action="store_true")
    args = parser.parse_args()
    if not args.table_only:
        measure(args.out, args.minutes)
    if not portions(args.out):
        sys.exit("no portion was played: see the sentences above")
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(text, "costs", table(args.out)), encoding="utf-8")


if __name__ == "__main__":
    main()
