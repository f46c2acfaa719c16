"""A hosted preset through the whole harness, against a local double; keys are nowhere on disk."""

import pytest

from bench.agent.process import _without_secrets
from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.store import store
from pipelines.errors import SpecError
from pipelines.hosted.doubles import ANSWER, SAID
from pipelines.marks import MarkList, stamp
from pipelines.spec import load_spec
from tests.bench.chains.real_runs import HOSTED, KEY, fixture, quiet

PLAYED = {"ok", "ruler_late"}


@pytest.mark.realtime
def test_a_service_that_speaks_itself_is_measured_and_its_key_is_nowhere_on_disk(scripted):
    run, heard = scripted.run, scripted.heard
    (trial,) = [t for t in run.trials if t.preset == HOSTED and not t.warmup and t.repeat == 0]
    assert trial.status in PLAYED, trial.error
    rows = {r.metric: r for r in store.read_metrics(run.path) if r.trial_id == trial.trial_id}
    assert rows["voice_to_voice"].value > 250  # the double waits for 300 ms of silence
    marks = run.marks(trial.trial_id)
    texts = {(m.stage, m.event): m.text for m in marks if m.text}
    assert texts["stt", "final"] == SAID
    assert texts["agent", "answer_text"] == ANSWER
    assert any(KEY in key for key in heard.keys)
    for file in run.path.rglob("*"):
        assert file.is_dir() or KEY.encode() not in file.read_bytes(), file


def test_without_its_key_a_run_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    plan = Plan((load_spec("hosted-openai-realtime"),), (fixture("greet_hello"),), 1)
    with pytest.raises(SpecError, match="OPENAI_API_KEY"):
        execute(plan, tmp_path / "run", resume=False, watch=quiet)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_key_in_a_services_error_never_becomes_a_mark(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    marks = MarkList()
    marks.put(stamp("agent", "error", text=f"Incorrect API key provided: {KEY}"))
    assert [m.text for m in _without_secrets(marks)] == ["Incorrect API key provided: ***"]
