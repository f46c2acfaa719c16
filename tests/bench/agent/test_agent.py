"""The agent's process with real models: a model that hangs, and a death from without."""

import os
import shutil
import signal
import threading
import time
from typing import Any

import psutil
import pytest

from bench.agent.pool import Agents
from bench.agent.process import AgentProcess, Report, TrialOrder
from bench.caller.connection import listen
from bench.fixtures.library import fixtures_root, load, read_pcm
from bench.lines.local import Decoder, Kind, Message, encode
from bench.runner.plan import Plan, Planned
from bench.runner.session import Session
from bench.store import store
from pipelines.errors import LabError
from pipelines.spec import PRESETS, load_spec

CHUNK_S = 0.02
TIMEOUT_S = 2.0
LOADING = ["process_start", "load_start", "load_end", "warm_end"]


class Mouth(threading.Thread):
    """A caller that says hello, then nothing, until the agent answers or its patience is over."""

    def __init__(self, path, silence_s):
        super().__init__(daemon=True)
        pcm = read_pcm(load(fixtures_root() / "greet_hello.toml").turns[0]).tobytes()
        pcm += bytes(int(silence_s / CHUNK_S) * 640)
        self._chunks = [pcm[i : i + 640] for i in range(0, len(pcm), 640)]
        self._listener = listen(path)
        self._listener.settimeout(20)
        self._decoder = Decoder()
        self.heard = []
        self.start()

    def run(self):
        with self._listener, self._listener.accept()[0] as connection:
            connection.settimeout(20)
            try:
                while not any(m.kind is Kind.READY for m in self._receive(connection)):
                    pass
                self._talk(connection)
                connection.sendall(encode(Message(Kind.BYE)))
            except OSError:
                return  # the agent hung up

    def _talk(self, connection):
        start_s = time.monotonic()
        for k, chunk in enumerate(self._chunks):
            connection.sendall(encode(Message(Kind.AUDIO_IN, seq=k, payload=chunk)))
            while (left_s := start_s + (k + 1) * CHUNK_S - time.monotonic()) > 0:
                connection.settimeout(left_s)
                try:
                    self.heard += self._receive(connection)
                except TimeoutError:
                    break
            if sum(m.kind is Kind.AUDIO_OUT for m in self.heard) >= 10:
                return

    def _receive(self, connection):
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionError
        return list(self._decoder.feed(data))


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """cascade-embedded, with a shorter time limit for its language model."""
    preset = tmp_path_factory.mktemp("presets") / "impatient.toml"
    shutil.copy(PRESETS / "cascade-embedded.toml", preset)
    text = preset.read_text(encoding="utf-8")
    preset.write_text(
        text.replace("prime = true", f"prime = false\ntimeout_secs = {TIMEOUT_S}"), encoding="utf-8"
    )
    process = AgentProcess(load_spec(str(preset)))
    process.ask("prepare")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def prepared(agent):
    report = agent.wait(60)
    assert (report.kind, report.error) == ("prepared", None)
    return report


def play(agent, folder, trial_id, silence_s=8.0):
    path = str(folder / f"{trial_id}.sock")
    mouth = Mouth(path, silence_s)
    agent.ask(TrialOrder(trial_id, path, scene="The green cup is on the shelf."))
    report = agent.wait(30)
    mouth.join(20)
    return report, [m for m in mouth.heard if m.kind is Kind.AUDIO_OUT]


def hang(report):
    """Stops the language model's process, which from outside looks like a hang."""
    pids = {m.text: int(m.value) for m in report.marks if m.event == "process_start"}
    os.kill(pids["creature-3m"], signal.SIGSTOP)


def events(report):
    return [(m.stage, m.event) for m in report.marks]


def test_preparing_loads_every_model_of_the_preset(prepared):
    loaded = {m.text for m in prepared.marks if (m.stage, m.event) == ("agent", "warm_end")}
    assert loaded == {"pocketsphinx", "creature-3m", "espeak-ng"}


def test_a_model_that_hangs_is_an_error_of_its_own_trial_and_the_next_trial_is_well(
    agent, prepared, tmp_path
):
    hang(prepared)
    report, heard = play(agent, tmp_path, "one")
    assert (report.error or "").startswith(
        f"The model creature-3m gave no answer within {TIMEOUT_S:g} s and was killed"
    )
    assert heard == [] and ("llm", "request") in events(report)
    assert ("agent", "error") in events(report)

    report, heard = play(agent, tmp_path, "two")
    assert report.error is None and len(heard) >= 10
    # It was loaded again before the user spoke, and nothing of the last trial is among the marks.
    found = events(report)
    assert found.index(("agent", "process_start")) < found.index(("agent", "pipeline_ready"))
    assert found.count(("llm", "request")) == 1 and ("agent", "error") not in found

    # The caller hangs up before the time limit: the hang is found as the trial is cleared up.
    hang(report)
    report, heard = play(agent, tmp_path, "three", silence_s=1.4)
    assert heard == [] and ("llm", "cancelled") in events(report)
    assert (report.error or "").startswith("The model creature-3m did not ")
    assert report.error in [m.text for m in report.marks if m.event == "error"]
    assert play(agent, tmp_path, "four")[0].error is None


def test_a_dead_agent_is_replaced_by_one_that_is_loaded_and_warm_before_its_next_trial(tmp_path):
    text = (PRESETS / "duplex-scripted-60ms.toml").read_text(encoding="utf-8")
    preset = tmp_path / "short-burst.toml"
    preset.write_text(text.replace("unpaced_frames = 50", "unpaced_frames = 5"), encoding="utf-8")
    agents, spec = Agents(), load_spec(str(preset))
    try:
        first = agents.get(spec)
        assert [m.event for m in first.cold_start if m.stage == "agent"] == LOADING
        first.cold_start = []  # a trial took them
        assert agents.get(spec) is first and first.cold_start == []
        os.kill(first.pid, signal.SIGKILL)
        first.receive()
        first.death()
        second = agents.get(spec)
        assert second is not first and second.alive
        assert [m.event for m in second.cold_start if m.stage == "agent"] == LOADING
        burst = [m for m in second.cold_start if m.event == "done"]
        assert [m.request_id.partition("-")[0] for m in burst] == ["unpaced"] * 5
    finally:
        agents.stop()


def test_a_successor_that_can_not_be_warmed_is_its_trials_error_and_the_next_trial_gets_another(
    tmp_path, monkeypatch
):
    reports = [Report("prepared"), Report("prepared", error="no memory"), Report("prepared")]
    stopped: list[Any] = []

    class Double:
        pid, alive = 0, True

        def __init__(self, spec):
            self.cold_start = []

        def ask(self, order):
            assert order == "prepare"

        def wait(self, timeout_s):
            return reports.pop(0)

        def ask_to_stop(self):
            pass

        def stop(self):
            stopped.append(self)

    monkeypatch.setattr("bench.agent.pool.AgentProcess", Double)
    agents, spec = Agents(), load_spec("duplex-scripted-60ms")
    agents.prepare(spec)
    first: Any = agents.get(spec)
    first.alive = False
    folder = tmp_path / "run"
    planned = Planned(spec, load(fixtures_root() / "greet_hello.toml"), 0)
    caller: Any = None
    plan = Plan((spec,), (planned.fixture,), 1)
    Session(plan, folder, caller, agents, lambda _: None).play(planned)
    (trial,) = store.read_run(folder).trials
    assert (trial.status, trial.error) == ("error", "no memory") and trial.started_utc
    assert len(stopped) == 2 and stopped[0] is first
    assert agents.get(spec).alive and reports == []
    agents.stop()


def test_an_agent_that_is_killed_says_by_what(agent, prepared):
    models = psutil.Process(agent.pid).children(recursive=True)
    assert len(models) >= 3
    os.kill(agent.pid, signal.SIGKILL)
    assert agent.receive().error == "the agent process was killed by signal 9 (SIGKILL)"
    assert agent.death() == "the agent process was killed by signal 9 (SIGKILL)"
    assert not agent.alive
    with pytest.raises(LabError, match=r"killed by signal 9 \(SIGKILL\)"):
        agent.ask("prepare")
    _, alive = psutil.wait_procs(models, timeout=10)
    assert alive == []  # its models went with it


def test_presets_processes_start_together_and_load_one_after_the_other(monkeypatch):
    said: list[tuple[str, Any]] = []

    class Double:
        alive = True

        def __init__(self, spec):
            self.name, self.cold_start = spec.name, []
            said.append((self.name, "new"))

        def ask(self, order):
            said.append((self.name, order))

        def wait(self, timeout_s):
            said.append((self.name, "waited"))
            return Report("prepared")

        def ask_to_stop(self):
            pass

        def stop(self):
            pass

    monkeypatch.setattr("bench.agent.pool.AgentProcess", Double)
    agents, a, b = Agents(), load_spec("cascade-scripted"), load_spec("duplex-scripted-60ms")
    agents.start((a, b))
    assert said == [
        (a.name, "new"), (a.name, "start"), (b.name, "new"), (b.name, "start"),
        (a.name, "waited"), (b.name, "waited"),
    ]  # fmt: skip
    said.clear()
    agents.prepare(a)
    agents.prepare(a)  # it is loaded already
    agents.prepare(b)
    assert said == [
        (a.name, "prepare"), (a.name, "waited"), (b.name, "prepare"), (b.name, "waited"),
    ]  # fmt: skip
    agents.stop()
