"""Does a duplex model of Moshi's shape keep up, in real time, for 150 s? And how much does it hold?

python scripts/real_time.py                     tiny and 300M three times, 1B once: 23 minutes
python scripts/real_time.py --presets duplex-tiny --repeats 1 --largest ""
python scripts/real_time.py --run results/RUN   the table of a run that is there

It plays ``duplex-lab run`` on the fixture of 150 s, with nothing else on the machine, and shows
every trial. Read it so: a preset holds where, in each of its trials, at most 1 % of the frames were
later than their 80 ms (``miss``), and the drift lies within ±1 ms/s: the backlog does not grow.
A trial whose caller was late is marked; play it again. Whatever is played here is synthetic: the
figures are of the machine and the runtime, not of a conversation.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.metrics.frames import RAMP_MS_PER_S  # noqa: E402  (found by the path above)
from bench.store.store import read_metrics, read_run  # noqa: E402

FIXTURE = "session_150s"
MOST_MISSED_PERCENT = 1.0
"""Share of late frames with which a preset holds."""
COLUMNS = {
    "frames": ("frames_in", ".0f"),
    "miss %": ("deadline_miss", ".2f"),
    "drift ms/s": ("drift", "+.2f"),
    "from": ("drift_low", "+.2f"),
    "to": ("drift_high", "+.2f"),
    "backlog max ms": ("backlog_max", ".0f"),
    "latency p50 ms": ("frame_latency_p50", ".1f"),
    "p99": ("frame_latency_p99", ".1f"),
    "RSS MB": ("rss_peak_mb", ".0f"),
}
"""Heading → metric, format."""


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", default="duplex-tiny,duplex-300m")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--largest", default="duplex-1b", help="played once, after the others")
    parser.add_argument("--run", type=Path, action="append", help="show this run, play none")
    asked = parser.parse_args()
    runs = asked.run or []
    code = 0
    if not runs:
        stem = f"real-time-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        for presets, repeats, name in (
            (asked.presets, asked.repeats, stem),
            (asked.largest, 1, f"{stem}-largest"),
        ):
            if presets:
                runs.append(ROOT / "results" / name)
                code = play(presets, repeats, runs[-1]) or code
    for run in runs:
        if (run / "metrics.parquet").is_file():
            print(table(run), flush=True)
    return code


def play(presets: str, repeats: int, out: Path) -> int:
    """Plays a run; returns its exit code."""
    command = [sys.executable, "-m", "bench.cli.main", "run", "--presets", presets]
    command += ["--fixtures", FIXTURE, "--repeats", str(repeats), "--retries", "1"]
    return subprocess.run([*command, "--out", str(out)], cwd=ROOT).returncode


def table(run: Path) -> str:
    """Every trial as a row of a Markdown table, and a sentence on each preset."""
    info = read_run(run).info["machine"]
    lines = [
        f"`{run.name}`: {info['cpu']}, {info['cores']} cores, commit "
        f"{str(info['commit']['sha'])[:10]}",
        "",
        f"| preset | repeat | {' | '.join(COLUMNS)} | holds |",
        f"|---|---{'|---' * len(COLUMNS)}|---|",
    ]
    verdicts: dict[str, list[str]] = {}
    for preset, repeat, found, is_valid in trials(run):
        cells = []
        for metric, digits in COLUMNS.values():
            value = found.get(metric)
            cells.append("–" if value is None else f"{value:{digits}}")
        verdict = holds(found) if is_valid else "the caller was late"
        verdicts.setdefault(preset, []).append(verdict)
        lines.append(f"| {preset} | {repeat} | {' | '.join(cells)} | {verdict} |")
    lines.append("")
    for preset, each in verdicts.items():
        lines.append(f"- {preset}: holds in {each.count('yes')} of {len(each)} trials")
    return "\n".join(lines) + "\n"


def trials(run: Path) -> Iterator[tuple[str, int, dict[str, float | None], bool]]:
    """Preset, repeat, metrics by name, and whether the caller was in time; of each trial on the
    fixture.
    """
    rows = read_metrics(run)
    for trial in read_run(run).trials:
        if trial.warmup or trial.fixture != FIXTURE:
            continue
        own = [r for r in rows if r.trial_id == trial.trial_id and r.turn < 0 and not r.subject]
        missed = [r for r in own if r.metric == "deadline_miss"]
        found = {r.metric: r.value for r in own}
        yield trial.preset, trial.repeat, found, all(r.valid for r in missed)


def holds(found: dict[str, float | None]) -> str:
    """``yes``, ``no``, or why that is not known."""
    missed, low, high = (found.get(n) for n in ("deadline_miss", "drift_low", "drift_high"))
    if missed is None or low is None or high is None:
        return "not known"
    is_steady = low >= -RAMP_MS_PER_S and high <= RAMP_MS_PER_S
    return "yes" if missed <= MOST_MISSED_PERCENT and is_steady else "no"


if __name__ == "__main__":
    sys.exit(main())
