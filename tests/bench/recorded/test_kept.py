"""Conversations of the voice server are kept as an ordinary run."""

import numpy as np
import pytest

from bench.fixtures.library import read_pcm, select
from bench.recorded.kept import RunLog
from bench.store.atomic import StoreError
from bench.store.store import read_metrics, read_run
from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.marks import stamp
from pipelines.server.session.events import (
    AssistantPartial,
    Audit,
    Failure,
    Fallback,
    UserPartial,
)
from pipelines.server.session.log import Conversation
from pipelines.spec import load_spec

RATE_HZ = 24_000
T0_NS = 50 * NS_PER_S


@pytest.fixture(scope="module")
def spoken():
    """A user's sentence, and 700 ms after its end a tone of 500 ms: (n, 2)."""
    from pipelines.audio.resample import resample

    (fixture,) = select("cmd_dance")
    turn = fixture.turns[0]
    user = resample(read_pcm(turn), turn.rate_hz, RATE_HZ)
    off = (turn.u_off_sample + 1) * RATE_HZ // turn.rate_hz
    start, length = off + RATE_HZ * 7 // 10, RATE_HZ // 2
    stereo = np.zeros((start + length + RATE_HZ, 2), np.int16)
    stereo[: len(user), 0] = user
    stereo[start : start + length, 1] = 8_000 * np.sin(np.arange(length) / 9)
    return stereo


def conversation(name, stereo, **more):
    t_ns = T0_NS + NS_PER_S
    words = (
        UserPartial(t_ns, "dance", final=False),
        UserPartial(t_ns, "dance please", final=True),
        AssistantPartial(t_ns, "I dance."),
        Failure(t_ns, "a word was lost"),
        Audit(t_ns, "c1", "look_up", "asked"),
        Audit(t_ns + 5, "c1", "look_up", "late", 500.0),
        Audit(t_ns + 9, "c1", "look_up", "came", 900.0, "the shelf is empty"),
        Fallback(t_ns, "one", "two", "model_died", "The model crashed: two goes on"),
    )
    marks = (stamp("vad", "speech_start", t_ns=T0_NS + 300 * NS_PER_MS, value=0.2),)
    given = {"reason": "", "failed": False, **more}
    return Conversation(
        name, load_spec("click"), "stream", "2026-12-01T00:00:00.000+00:00", T0_NS, RATE_HZ,
        stereo, marks, words, **given,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory, spoken):
    folder = tmp_path_factory.mktemp("kept") / "server"
    with RunLog(folder) as log:
        assert log.keeps
        log.keep(conversation("stream-1", spoken))
        log.keep(conversation("stream-2", spoken[:0], reason="The model crashed.", failed=True))
    with pytest.raises(StoreError, match="already holds a run"), RunLog(folder):
        pass
    return read_run(folder)


def test_a_conversation_is_a_trial_with_its_recording_and_its_words(run, spoken):
    first, second = run.trials
    assert (first.preset, first.fixture, first.status, first.turns) == (
        "click",
        "stream-1",
        "ok",
        1,
    )
    assert np.array_equal(run.recording(first), spoken)
    said = {(m.stage, m.event): m.text for m in run.marks(first.trial_id) if m.stage == "line"}
    assert said == {
        ("line", "user_text"): "dance please",
        ("line", "agent_text"): "I dance.",
        ("line", "reported_error"): "a word was lost",
    }
    skill = [m for m in run.marks(first.trial_id) if m.stage == "skill"]
    assert [(m.request_id, m.event, m.value, m.text) for m in skill] == [
        ("c1", "asked", 0.0, "look_up"),
        ("c1", "late", 500.0, "look_up"),
        ("c1", "came", 900.0, "look_up: the shelf is empty"),
    ]
    (change,) = [m for m in run.marks(first.trial_id) if m.event == "fallback"]
    assert change.text == "two: The model crashed: two goes on"
    assert (second.status, second.error, second.recording) == ("error", "The model crashed.", None)


def test_its_figures_are_those_of_what_was_heard(run):
    figures = [
        row.value
        for row in read_metrics(run.path)
        if row.metric == "voice_to_voice" and row.fixture == "stream-1"
    ]
    assert figures == [pytest.approx(700, abs=30)]  # the user's end is proposed


def test_the_run_opens_as_any_other(run, capsys):
    from bench.cli.results import show

    show(str(run.path))
    assert "click" in capsys.readouterr().out


def test_a_folder_that_can_t_be_written_is_an_error_and_what_was_kept_stays(
    tmp_path, spoken, monkeypatch
):
    from bench.store import store

    folder = tmp_path / "full"

    def full(*_):
        raise StoreError(f"{folder}: can't be written: No space left on device")

    with RunLog(folder) as log:
        log.keep(conversation("stream-1", spoken))
        with monkeypatch.context() as patch:
            patch.setattr(store, "write_recording", full)
            with pytest.raises(StoreError, match="No space left"):
                log.keep(conversation("stream-2", spoken))
        log.keep(conversation("stream-3", spoken))
    assert [trial.fixture for trial in read_run(folder).trials] == ["stream-1", "stream-3"]
