"""Reading a run starts no thread: one that outlives Python ends the process with code 134."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
COUNTS = """
import psutil, pyarrow.parquet
from pathlib import Path
from bench.store import figures, store
this, run_dir = psutil.Process(), Path("results/sample")
before = this.num_threads()
run = store.read_run(run_dir)
store.read_metrics(run_dir)
figures.read_figures(run_dir, "voice_to_voice")
store.statuses(run_dir)
marks = sum(len(run.marks(trial.trial_id)) for trial in run.trials)
pyarrow.parquet.read_schema(run_dir / "metrics.parquet")
print(marks > 1000, this.num_threads() - before)
"""


def test_reading_a_run_starts_no_thread():
    command = [sys.executable, "-c", COUNTS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["True", "0"]
