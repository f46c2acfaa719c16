"""The latency that a door adds: clicks answered after 80 ms, over the door and over the local link.

Both paths play the same clicks to the same click agent; the door's lies in a server of its own. Run
on a quiet machine:

    python scripts/door_clicks.py                              # /v1/stream, 300 clicks
    python scripts/door_clicks.py --line twilio --path /twilio/media --clicks 100
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.agent.process import AgentProcess
from bench.caller.plan import CallerPlan
from bench.caller.process import CallerProcess
from bench.lines.line import LOCAL, LineChoice
from bench.lines.table import row_of
from bench.runner.calibration import SPACING_MS, click_turn
from bench.runner.trial import play
from bench.store.records import Trial
from pipelines.audio.onsets import audible_spans
from pipelines.clock import NS_PER_MS, samples_to_ns
from pipelines.spec import PipelineSpec, load_spec

DELAY_MS = 80.0
PRESET = """title = "click agent at the door's rate"
architecture = "click"
weights = "scripted"
kind = "click"
[audio]
in_rate_hz = {rate}
out_rate_hz = 24000
[click]
delay_ms = 80
"""


def main() -> None:
    """Prints what the door adds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--line", default="stream", help="Line of the caller's.")
    parser.add_argument("--path", default="/v1/stream", help="Path of the door.")
    parser.add_argument("--clicks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="Append the delays of this run to this file.")
    args = parser.parse_args()
    rate_hz = row_of(args.line).in_rate_hz({}) or 24_000
    turn = click_turn(args.clicks, args.seed, rate_hz, SPACING_MS)
    with tempfile.TemporaryDirectory() as folder, CallerProcess() as caller:
        preset = Path(folder) / "click-door.toml"
        preset.write_text(PRESET.format(rate=rate_hz))
        spec = load_spec(str(preset))
        plan = CallerPlan("clicks", rate_hz, (turn,), len(turn.pcm) / rate_hz + 15.0, line=LOCAL)
        by_link = _over_the_link(spec, plan, caller)
        with _server(preset) as url:
            choice = LineChoice(args.line, url.replace("http", "ws") + args.path)
            by_door = _over_the_door(plan, choice, caller)
    added = by_door - by_link
    for name, delays in (("local link", by_link), (args.line, by_door)):
        print(f"{name}: delay − {DELAY_MS:.0f} ms: {_spread(delays - DELAY_MS)}")
    print(f"added, click by click: {_spread(added)}")
    if args.json:
        with args.json.open("a") as file:
            table = {"line": args.line, "seed": args.seed, "link_ms": by_link.tolist()}
            file.write(json.dumps({**table, "door_ms": by_door.tolist()}) + "\n")


def _spread(values: np.ndarray) -> str:  # type: ignore[type-arg]
    found = {p: float(np.quantile(values, p, method="inverted_cdf")) for p in (0.5, 0.99)}
    return f"p50 {found[0.5]:.2f}, p99 {found[0.99]:.2f} ms (n = {len(values)})"


def _over_the_link(spec: PipelineSpec, plan: CallerPlan, caller: CallerProcess) -> np.ndarray:  # type: ignore[type-arg]
    agent = AgentProcess(spec)
    try:
        row = Trial("", "clicks", spec.name, "clicks", 0, 0, 0, 1)
        outcome = play(row, spec, plan, caller, agent)
        assert outcome.recording is not None, outcome.trial.error
        start_ns = next(m.t_ns for m in outcome.marks if m.event == "turn_start")
        agent_pcm = outcome.recording[:, 1]
        return _delays(plan, start_ns, agent_pcm, outcome.rate_hz, outcome.trial.t0_ns)
    finally:
        agent.stop()


def _over_the_door(plan: CallerPlan, choice: LineChoice, caller: CallerProcess) -> np.ndarray:  # type: ignore[type-arg]
    from dataclasses import replace

    caller.ask(replace(plan, line=choice))
    while isinstance(result := caller.receive(), str):
        pass
    assert result.agent is not None, result.error
    start_ns = next(m.t_ns for m in result.marks if m.event == "turn_start")
    return _delays(plan, start_ns, result.agent, result.rate_hz, result.t0_ns)


def _delays(
    plan: CallerPlan,
    start_ns: int,
    agent: np.ndarray,  # type: ignore[type-arg]
    rate_hz: int,
    t0_ns: int,
) -> np.ndarray:  # type: ignore[type-arg]
    """(n,) ms from each click to the answer that is heard nearest to when it is due."""
    spans = audible_spans(agent, rate_hz, merge_gap_ms=40.0)
    heard = np.array([t0_ns + samples_to_ns(span.start, rate_hz) for span in spans], np.int64)
    found = []
    for position in np.flatnonzero(plan.turns[0].pcm):
        click_ns = start_ns + samples_to_ns(int(position), plan.in_rate_hz)
        due_ns = click_ns + round(DELAY_MS * NS_PER_MS)
        nearest = int(heard[np.argmin(np.abs(heard - due_ns))])
        if abs(nearest - due_ns) > SPACING_MS[0] * NS_PER_MS // 2:
            sys.exit("a click or its answer was lost: close other heavy programs and try again.")
        found.append((nearest - click_ns) / NS_PER_MS)
    return np.array(found)


@contextlib.contextmanager
def _server(preset: Path) -> Iterator[str]:
    """``duplex-lab serve`` at a free port; yields its address."""
    command = [sys.executable, "-m", "bench.cli.main", "serve", str(preset), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"Serving .* at (http://\S+)", line):
                    yield found[1]
                    break
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


if __name__ == "__main__":
    main()
