"""A hosted preset through the whole harness, against a local double; keys are nowhere on disk."""

import asyncio
import contextlib
import threading

import pytest

from bench.agent.process import _without_secrets
from bench.fixtures.library import fixtures_root, load
from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.store import store
from pipelines.errors import SpecError
from pipelines.hosted.doubles import ANSWER, SAID, double
from pipelines.marks import MarkList, stamp
from pipelines.spec import PRESETS, load_spec

KEY = "sk-test-0123456789"
PLAYED = {"ok", "ruler_late"}


@contextlib.contextmanager
def served(service):
    """A double in a thread of its own; yields what it hears."""
    started, found, loop = threading.Event(), [], asyncio.new_event_loop()
    over = asyncio.Event()

    async def main():
        async with double(service) as heard:
            found.append(heard)
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def quiet(_progress):
    pass


def hello():
    return load(fixtures_root() / "greet_hello.toml")


@pytest.mark.realtime
def test_a_service_that_speaks_itself_is_measured_and_its_key_is_nowhere_on_disk(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with served("openai-realtime") as heard:
        text = (PRESETS / "hosted-openai-realtime.toml").read_text(encoding="utf-8")
        preset = tmp_path / "fake-realtime.toml"
        preset.write_text(f'{text}url = "{heard.url}"\n', encoding="utf-8")
        plan = Plan((load_spec(str(preset)),), (hello(),), 1)
        execute(plan, tmp_path / "run", resume=False, watch=quiet)
    run = store.read_run(tmp_path / "run")
    (trial,) = [t for t in run.trials if not t.warmup]
    assert trial.status in PLAYED, trial.error
    rows = {r.metric: r for r in store.read_metrics(run.path) if not r.warmup}
    assert rows["voice_to_voice"].value > 250  # the double waits for 300 ms of silence
    marks = run.marks(trial.trial_id)
    texts = {(m.stage, m.event): m.text for m in marks if m.text}
    assert texts["stt", "final"] == SAID
    assert texts["agent", "answer_text"] == ANSWER
    assert any(KEY in key for key in heard.keys)
    for file in (tmp_path / "run").rglob("*"):
        assert file.is_dir() or KEY.encode() not in file.read_bytes(), file


def test_without_its_key_a_run_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    plan = Plan((load_spec("hosted-openai-realtime"),), (hello(),), 1)
    with pytest.raises(SpecError, match="OPENAI_API_KEY"):
        execute(plan, tmp_path / "run", resume=False, watch=quiet)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_key_in_a_services_error_never_becomes_a_mark(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    marks = MarkList()
    marks.put(stamp("agent", "error", text=f"Incorrect API key provided: {KEY}"))
    assert [m.text for m in _without_secrets(marks)] == ["Incorrect API key provided: ***"]
