"""The pytest plugin: inert until its fixture is used; figures that explain a failed assertion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store.records import MetricRow
from bench.testing.agent import Calls, FigureError, VoiceAgent
from pipelines.errors import LabError

ROOT = Path(__file__).parents[3]


def row(value, turn=0, valid=True, reason=None):
    return MetricRow(
        "r", f"p.f{turn}.0", "p", f"f{turn}", 0, False, turn, "voice_to_voice", None, value, "ms",
        valid, reason, "trained",
    )  # fmt: skip


def calls(*rows):
    return Calls(Path("runs/r"), rows)


def test_the_median_is_of_valid_turns_alone():
    run = calls(
        row(300.0), row(500.0, 1), row(400.0, 2), row(9000.0, 3, valid=False, reason="late")
    )
    assert run.values("voice_to_voice") == [300.0, 500.0, 400.0]
    assert run.p50("voice_to_voice") == 400.0


def test_a_failed_comparison_names_every_turn_and_the_command_that_shows_more():
    figure = calls(row(300.0), row(500.0, 1), row(None, 2, reason="no answer")).p50(
        "voice_to_voice"
    )
    assert figure.explain_failure("<=", 350) == [
        "voice_to_voice p50 = 400.0 ms, wanted <= 350",
        "  f1, turn 1: 500.0 ms",
        "  f0, turn 0: 300.0 ms",
        "  f2, turn 2: not valid: no answer",
        "more: duplex-lab show runs/r",
    ]


def test_a_quantile_that_n_cannot_bound_fails_unless_the_test_allows_it():
    run = calls(*(row(float(k), k) for k in range(20)))
    with pytest.raises(FigureError, match=r"20 turns can't bound the quantile 0\.95"):
        run.quantile("voice_to_voice", 0.95)
    assert run.quantile("voice_to_voice", 0.95, allow_unbounded=True) == pytest.approx(18.65)
    with pytest.raises(FigureError, match="needs 59"):
        run.p95("voice_to_voice")
    assert run.p95("voice_to_voice", allow_unbounded=True) == pytest.approx(18.65)


def test_turns_without_a_valid_value_are_told_with_their_reasons():
    run = calls(row(None, reason="no answer"))
    with pytest.raises(FigureError, match=r"no valid value\. f0, turn 0: not valid: no answer"):
        run.p50("voice_to_voice")
    with pytest.raises(LabError, match=r"there is no metric 'speed'; known: .*voice_to_voice"):
        run.p50("speed")


@pytest.mark.parametrize(
    ("name", "line", "sentence"),
    [
        ("ws://127.0.0.1:9/", None, "need a --line each"),
        ("cascade-embedded", "twilio", "--line twilio is for an address"),
        ("cascade-embeded", None, "did you mean 'cascade-embedded'"),
        ("nowhere.py", None, "nowhere.py"),
    ],
)
def test_an_agent_that_is_none_is_one_sentence(tmp_path, name, line, sentence):
    with pytest.raises(LabError, match=sentence):
        VoiceAgent.named(name, line, [], tmp_path)


def test_a_network_is_simulated_in_every_call_and_only_one(tmp_path, monkeypatch):
    asked = {}

    def planned(*_, **options):
        asked.update(options)
        raise LabError("planned")

    monkeypatch.setattr("bench.testing.agent.make_plan", planned)
    agent = VoiceAgent.named("cascade-scripted", None, [], tmp_path, "lte")
    with pytest.raises(LabError, match="planned"):
        agent.call("cmd_close_door")
    assert asked["networks"] == "lte"
    with pytest.raises(LabError, match="a test calls over one network"):
        VoiceAgent.named("cascade-scripted", None, [], tmp_path, "lte,wifi-bad")


def run_pytest(folder, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_plugin_loads_nothing_of_the_lab_until_its_fixture_is_used(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    heavy = {'numpy', 'pyarrow', 'pipecat', 'bench.runner.run'} & set(sys.modules)\n"
        "    assert not heavy\n"
        "def test_fast(voice_agent):\n"
        "    raise AssertionError\n"
    )
    done = run_pytest(tmp_path, "-rs")
    assert "1 passed, 1 skipped" in done.stdout, done.stdout
    assert "no voice agent is named: pytest --agent URL --line NAME" in done.stdout


IN_VIRTUAL_TIME = """
import pytest
from tests.bench.chains.virtual_run import without_processes

@pytest.fixture(autouse=True)
def virtual(monkeypatch):
    without_processes(monkeypatch)
"""


def test_a_users_test_calls_an_agent_and_fails_with_its_turns(tmp_path):
    (tmp_path / "conftest.py").write_text(IN_VIRTUAL_TIME)
    (tmp_path / "test_it.py").write_text(
        "def test_fast(voice_agent):\n"
        "    run = voice_agent.call('cmd_close_door')\n"
        "    assert run.p50('voice_to_voice') > 0\n"
        "    assert run.p50('voice_to_voice') <= 1\n"
    )
    done = run_pytest(tmp_path, "--agent", "cascade-scripted")
    assert done.returncode == 1
    assert "voice_to_voice p50 = 600.0 ms, wanted <= 1" in done.stdout, done.stdout
    assert "cmd_close_door, turn 0: 600.0 ms" in done.stdout
    assert "more: duplex-lab show " in done.stdout
