"""SIGTERM and SIGHUP end a command as Ctrl-C does (a run keeps what it has: test_chain.py)."""

import signal
import subprocess
import sys

import pytest

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
    # What started the tests may ignore it: nohup, or a shell that put them into the background.
    default = "signal.default_int_handler" if signum == signal.SIGINT else "signal.SIG_DFL"
    with waiting(f"signal.signal({int(signum)}, {default})") as process:
        process.send_signal(signum)
        assert process.communicate(timeout=30)[1] == "duplex-lab: interrupted.\n"
        assert process.returncode == 130


def test_a_signal_that_nohup_ignores_stays_ignored():
    with waiting("signal.signal(signal.SIGHUP, signal.SIG_IGN)", s=1) as process:
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=30)[1] == ""
        assert process.returncode == 0
