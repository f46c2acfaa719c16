"""How long the analysis takes at scale: 2 million marks of 1,000 trials, and a year of runs.

python scripts/bench_analysis.py                    both, in a temporary folder
python scripts/bench_analysis.py --trials 100 --runs 50
python scripts/bench_analysis.py --beside ../older      the same in another checkout, in turns

Prints wall and CPU time and the peak of memory, of all processes together, and how loaded the
machine was: on a busy one look at the CPU time. Aims: metrics in ≤ 10 s and ≤ 1 GB on 2
cores; one metric of 1,000 runs in ≤ 3 s. Nothing here is a test: tests hold no times.

Beside another checkout, with an environment of its own in ``.venv``, each measures what it wrote
itself, one after the other, several times; the ratios are those of the medians.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.compare.history import read_history  # noqa: E402
from bench.metrics.compute import compute_trial  # noqa: E402
from bench.metrics.recompute import compute_run  # noqa: E402
from bench.simulated.turns import RATE_HZ, TurnPlan, labels_of, trial_of  # noqa: E402
from bench.store.store import (  # noqa: E402
    consolidate,
    read_run,
    save_recording,
    write_info,
    write_metrics,
    write_trial,
)
from pipelines.clock import NS_PER_MS  # noqa: E402
from pipelines.marks import Mark  # noqa: E402

PLANS = [TurnPlan(u_on_ms=500 + 4000 * i, u_off_ms=2000 + 4000 * i) for i in range(3)]
"""Three turns in 13 s, about 1,700 marks; partial transcripts make it up to 2,000."""
FILLED_TO = 2000


def write_large(run_dir: Path, trials: int) -> int:
    """Writes a run of that many alike trials of 2,000 marks; gives the number of marks."""
    trial, marks, pcm = trial_of(PLANS)
    missing = max(0, FILLED_TO - len(marks))
    marks += [
        Mark(trial.t0_ns + i * 5 * NS_PER_MS, "stt", "partial", -1, "u0", 1, None, "put the")
        for i in range(missing)
    ]
    recording = save_recording(run_dir, "all", pcm, RATE_HZ)  # one file, read a thousand times
    for i in range(trials):
        named = replace(trial, trial_id=f"example.cmd_example.{i}", repeat=i, recording=recording)
        write_trial(run_dir, named, marks)
    labels = labels_of("cmd_example", PLANS)
    write_info(run_dir, {"fixtures": {labels.name: labels.to_dict()}})
    consolidate(run_dir)
    return trials * len(marks)


def write_year(root: Path, runs: int) -> str:
    """Writes the metrics of that many runs of 50 trials each, and says so."""
    trial, marks, pcm = trial_of(PLANS)
    rows = compute_trial(trial, marks, pcm, labels_of("cmd_example", PLANS))
    whole = [
        replace(row, fixture=f"cmd_{i % 25}", preset=("a", "b")[i // 25])
        for i in range(50)
        for row in rows
    ]
    write_metrics(root / "first", whole)
    data = (root / "first" / "metrics.parquet").read_bytes()
    for i in range(runs):
        folder = root / f"run-{i:04d}"
        folder.mkdir()
        (folder / "metrics.parquet").write_bytes(data)
        day = f"2026-{1 + i // 28 % 12:02d}-{1 + i % 28:02d}T02:00:00+00:00"
        write_info(folder, {"created_utc": day})
    (root / "first" / "metrics.parquet").unlink()
    return f"{runs} runs"


def timed(what: str, work: Callable[[], str]) -> None:
    """Runs something and prints what it and its processes used."""
    wall, cpu = time.perf_counter(), _cpu_s()
    with PeakMemory() as peak:
        words = work()
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(
        f"{what}: {words}: {wall:.1f} s wall, {cpu:.1f} s CPU, peak {peak.mb:.0f} MB; "
        f"load average {load} on {os.cpu_count()} cores",
        flush=True,
    )


def _cpu_s() -> float:
    """CPU time of this process and of those of its children that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(of.ru_utime + of.ru_stime for of in spent)


class PeakMemory(threading.Thread):
    """Watches the memory of this process and its children, together, every 50 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mb = 0.0
        self._over = threading.Event()

    def __enter__(self) -> PeakMemory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Watches until the block is left."""
        this = psutil.Process()
        while True:
            used = 0
            for process in (this, *this.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    used += process.memory_info().rss
            self.mb = max(self.mb, used / 1e6)
            if self._over.wait(0.05):
                return


WRITE = (
    "import sys, bench_analysis as b; from pathlib import Path; at = Path(sys.argv[1]); "
    "b.write_large(at / 'large', int(sys.argv[2])); (at / 'year').mkdir(); "
    "b.write_year(at / 'year', int(sys.argv[3]))"
)
"""What each checkout does to write its own runs."""
TOOK = re.compile(r"([\d.]+) s wall, ([\d.]+) s CPU, peak (\d+) MB")
TIMES = 3
"""Number of times that each checkout measures, in turns."""


def beside(other: Path, folder: Path, trials: int, runs: int) -> None:
    """Measures here and in another checkout, in turns, and prints the ratios of the medians."""
    trees = {"here": ROOT, "there": other.resolve()}
    for name, tree in trees.items():
        (folder / name).mkdir()
        (folder / name / "large").mkdir()
        _python(tree, "-c", WRITE, str(folder / name), str(trials), str(runs))
    for what, at in (("metrics", "large"), ("history", "year")):
        found: dict[str, list[list[float]]] = {name: [] for name in trees}
        for _ in range(TIMES):
            for name, tree in trees.items():
                script = str(tree / "scripts" / "bench_analysis.py")
                said = _python(tree, script, "--measure", what, str(folder / name / at))
                print(f"{name}: {said.strip()}", flush=True)
                took = TOOK.search(said)
                assert took is not None, said
                found[name].append([float(part) for part in took.groups()])
        here, there = (
            [statistics.median(column) for column in zip(*found[name], strict=True)]
            for name in trees
        )
        wall, cpu, peak = (a / b for a, b in zip(here, there, strict=True))
        print(f"{what}: {wall:.2f}x wall, {cpu:.2f}x CPU, {peak:.2f}x peak memory", flush=True)


def _python(tree: Path, *words: str) -> str:
    """Runs the Python of a checkout in it, and gives what it prints."""
    python = tree / ".venv" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{tree}: it has no .venv; set that checkout up first.")
    path = os.pathsep.join([str(tree / "scripts"), str(tree)])
    done = subprocess.run(
        [str(python), *words],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def measure_metrics(run_dir: Path) -> str:
    """Reads a run and computes all its metrics."""
    run = read_run(run_dir)
    rows = compute_run(run).metrics
    return f"{len(run.trials)} trials, {len(rows)} rows"


def measure_history(root: Path) -> str:
    """Reads one metric of all runs."""
    found = read_history(root, "voice_to_voice")
    return f"{len(found.points)} points, {len(found.skipped)} skipped"


def main() -> None:
    """Writes, then measures each in a process of its own, so that its memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        what, folder = chosen.measure
        work = {"metrics": measure_metrics, "history": measure_history}[what]
        timed(what, lambda: work(Path(folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if chosen.beside is not None:
            beside(chosen.beside, Path(folder), chosen.trials, chosen.runs)
            return
        large, year = Path(folder) / "large", Path(folder) / "year"
        timed("writing", lambda: f"{write_large(large, chosen.trials)} marks")
        timed("writing", lambda: write_year(year, chosen.runs))
        for what, at in (("metrics", large), ("history", year)):
            command = [sys.executable, __file__, "--measure", what, str(at)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
