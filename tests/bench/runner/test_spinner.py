"""The idle-class spinner: one on each core, never beside somebody else's idle-class work."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.runner import spinner
from bench.runner.spinner import LOOK_S, idle_class_at_work, start

LINUX = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="no idle class on this system")
TICKS = os.sysconf("SC_CLK_TCK")


def looks(*seen):
    """Looks that find these processes, one after the other."""
    left = list(seen)
    return lambda: left.pop(0)


def test_an_idle_process_that_uses_more_than_a_twentieth_of_a_core_is_at_work():
    limit = round(LOOK_S * TICKS / 20)
    before = {7: ("train", 1000)}
    slept: list[float] = []
    asleep = idle_class_at_work(looks(before, {7: ("train", 1000 + limit)}), slept.append)
    at_work = idle_class_at_work(looks(before, {7: ("train", 1001 + limit)}), slept.append)
    assert (asleep, at_work, slept) == (None, "process 7 (train)", [LOOK_S, LOOK_S])


def test_the_class_and_the_time_of_a_process_are_read_after_its_name(tmp_path: Path):
    def put(pid: int, name: str, policy: int) -> None:
        fields = ["S", *["0"] * 10, "12", "30", *["0"] * 25, str(policy), "0"]
        (tmp_path / str(pid)).mkdir()
        text = f"{pid} ({name}) {' '.join(fields)}\n"
        (tmp_path / str(pid) / "stat").write_text(text, encoding="utf-8")

    put(4, "a) 5 (b", 5)
    put(5, "other", 0)
    assert spinner._idle_class(tmp_path) == {4: ("a) 5 (b", 42)}


@LINUX
def test_where_somebody_elses_idle_class_work_runs_nothing_is_started(monkeypatch):
    monkeypatch.setattr(spinner, "idle_class_at_work", lambda: "process 7 (train)")
    found = start()
    assert found.to_dict() == {
        "cores": [],
        "why_not": "process 7 (train) works in the idle class, and would lose half of its time",
    }


@LINUX
def test_each_core_has_a_spinner_of_the_idle_class_that_ends_with_the_run(monkeypatch):
    monkeypatch.setattr(spinner, "idle_class_at_work", lambda: None)
    with start() as found:
        pids = [process.pid for process in found._processes]
        assert found.cores == tuple(sorted(os.sched_getaffinity(0)))
        deadline = time.monotonic() + 20
        while any(os.sched_getscheduler(pid or 0) != os.SCHED_IDLE for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid or 0, 0)


@LINUX
def test_a_run_that_is_killed_leaves_no_spinner_behind():
    script = (
        "import os, signal, time\n"
        "from bench.runner import spinner\n"
        "if __name__ == '__main__':\n"
        "    spinner.idle_class_at_work = lambda: None\n"
        "    found = spinner.start()\n"
        "    print(*[p.pid for p in found._processes], flush=True)\n"
        "    time.sleep(0.5)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == len(os.sched_getaffinity(0))
    deadline = time.monotonic() + 20
    for pid in pids:
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()
