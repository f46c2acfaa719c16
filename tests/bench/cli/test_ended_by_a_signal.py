"""SIGTERM and SIGHUP end a command as Ctrl-C does."""

import os
import re
import signal
import subprocess
import sys

import pytest

from bench.store.store import done_trials

pytestmark = pytest.mark.timeout(180)
WAITS = """
import signal, sys, time
{before}
from bench.cli import main
def app():
    print("waits", flush=True)
    time.sleep({s})
main.app = app
main.main()
"""


def waiting(before="", s=60):
    command = [sys.executable, "-c", WAITS.format(before=before, s=s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "waits\n"
    return process


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_says_so_and_exits_with_130(signum):
    with waiting() as process:
        process.send_signal(signum)
        assert process.communicate(timeout=30)[1] == "duplex-lab: interrupted.\n"
        assert process.returncode == 130


def test_a_signal_that_nohup_ignores_stays_ignored():
    with waiting("signal.signal(signal.SIGHUP, signal.SIG_IGN)", s=1) as process:
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=30)[1] == ""
        assert process.returncode == 0


@pytest.mark.realtime
def test_a_run_that_is_terminated_keeps_what_was_done(tmp_path):
    words = ["run", "--presets", "cascade-scripted", "--fixtures", "greet_hello", "--repeats", "9"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cli.main", *words, "--out", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    said = ""
    while "[1/9]" not in said:
        said = process.stderr.readline()
        assert said, "it ended by itself"
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=90)
    assert process.returncode == 130
    kept = re.search(r"Stopped; (\d) of 9 trials are done and kept\. To resume: .* --resume", rest)
    whole = [t for t in done_trials(tmp_path / "run") if "warmup" not in t]
    assert kept and int(kept[1]) == len(whole) >= 1
    assert (tmp_path / "run" / "metrics.parquet").is_file()
