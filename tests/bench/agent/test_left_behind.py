"""A bot's helper processes end with the agent, however they were started."""

import time

import psutil
import pytest

from bench.agent.process import AgentProcess
from bench.caller.process import CallerProcess
from bench.fixtures.library import fixtures_root, load
from bench.runner.trial import caller_plan, play
from bench.store.records import Trial
from pipelines.bot import check
from pipelines.bot.preset import bot_spec

pytestmark = pytest.mark.timeout(180)
HELPERS = """
import os, subprocess, sys, time
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
NOTES = os.path.join(os.path.dirname(__file__), "pids")
def note(pid):
    with open(NOTES, "a") as file:
        file.write(f"{pid}\\n")
note(subprocess.Popen(SLEEP).pid)
note(subprocess.Popen(SLEEP, start_new_session=True).pid)
if os.fork() == 0:  # a daemon: no parent, a session of its own
    os.setsid()
    if os.fork() == 0:
        note(os.getpid())
        os.execv(sys.executable, SLEEP) if %s else __import__("time").sleep(600)
    os._exit(0)
while len(open(NOTES).readlines()) < 3:
    time.sleep(0.01)
async def bot(runner_args): pass
"""


def running(folder):
    pids = [int(line) for line in (folder / "pids").read_text(encoding="utf-8").split()]
    alive = [p for p in pids if psutil.pid_exists(p)]
    return len(pids), [p for p in alive if psutil.Process(p).status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(params=[True, False], ids=["exec", "fork"])
def spec(tmp_path, request):
    path = tmp_path / "helpers_bot.py"
    path.write_text(HELPERS % request.param, encoding="utf-8")
    return bot_spec(path)


def test_what_a_bot_starts_when_it_is_imported_ends_with_the_check(spec, tmp_path):
    began_s = time.monotonic()
    check.provide(spec, lambda words: None)
    assert time.monotonic() - began_s < 90  # a helper that holds the output held up the check
    assert running(tmp_path) == (3, [])


def test_what_a_bot_starts_ends_with_its_agent(spec, tmp_path):
    agent = AgentProcess(spec)
    try:
        agent.ask("prepare")
        assert agent.wait(90).error is None
        assert len(running(tmp_path)[1]) == 3
    finally:
        agent.stop()
    assert running(tmp_path) == (3, [])


def test_a_bot_that_removes_the_first_sink_of_the_log_finds_it_and_it_is_silent(tmp_path, capfd):
    """As many of Pipecat's own examples do."""
    path = tmp_path / "quiet_bot.py"
    lines = ("from loguru import logger", "logger.remove(0)", "async def bot(runner_args): pass")
    path.write_text("\n".join(lines), encoding="utf-8")
    agent = AgentProcess(bot_spec(path))
    try:
        agent.ask("prepare")
        assert agent.wait(90).error is None
    finally:
        agent.stop()
    assert capfd.readouterr().err == ""


@pytest.mark.unhurried
def test_an_agent_that_dies_is_noticed_though_a_helper_holds_its_pipes(tmp_path):
    path = tmp_path / "dying_bot.py"
    source = """
import os, time
if os.fork() == 0:
    time.sleep(600)
async def bot(runner_args):
    os._exit(3)
"""
    path.write_text(source, encoding="utf-8")
    spec, fixture = bot_spec(path), load(fixtures_root() / "greet_hello.toml")
    row = Trial("r", "t", spec.name, fixture.name, 0, 0, 0, 1)
    agent = AgentProcess(spec)
    try:
        agent.ask("prepare")
        assert agent.wait(90).error is None
        with CallerProcess() as caller:
            began_s = time.monotonic()
            trial = play(row, spec, caller_plan("t", spec, fixture), caller, agent).trial
            assert time.monotonic() - began_s < 60
    finally:
        agent.stop()
    assert (trial.status, trial.error) == ("error", "the agent process ended with exit code 3")
