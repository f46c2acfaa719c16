"""Recorded calls become a run: turns by who spoke when, known answers read back."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bench.cli.main import app
from bench.fixtures.library import read_pcm, select
from bench.recorded.conversation import UserTurn, turns_of
from bench.recorded.files import calls_in, read
from bench.recorded.score import score
from bench.store.results import find_run
from bench.store.store import read_metrics, read_run
from pipelines.audio.onsets import Span
from pipelines.audio.resample import resample
from pipelines.errors import LabError

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

from score_error import CONDITIONS, EXCHANGES, measure, voices

ANSWERS_MS = (300, 700, 1500)


def test_a_turn_goes_on_after_a_short_pause_in_which_nobody_spoke():
    user = [Span(0, 1000), Span(1800, 2500), Span(8000, 9000)]
    agent = [Span(4000, 6000)]
    assert turns_of(user, agent, 1000) == [
        UserTurn(0, 2500, (Span(1000, 1800),)),
        UserTurn(8000, 9000),
    ]


def test_what_the_agent_answered_or_a_long_pause_ends_a_turn():
    user = [Span(0, 1000), Span(2500, 3000), Span(5000, 6000)]
    agent = [Span(1200, 2000)]
    assert [(t.on, t.off) for t in turns_of(user, agent, 1000)] == [
        (0, 1000),
        (2500, 3000),
        (5000, 6000),
    ]


def test_what_begins_over_the_agent_is_an_interruption_if_it_is_long_enough_for_words():
    agent = [Span(1000, 9000)]
    short, long = Span(2000, 2400), Span(5000, 6500)
    found = turns_of([short, long], agent, 1000)
    assert [turn.event for turn in found] == ["backchannel", "interruption"]


@pytest.fixture(scope="module")
def call_file(tmp_path_factory):
    """A stereo call at 16 kHz: three recorded users, each answered after a known delay."""
    fixtures = [f for f in select("clean") if len(f.turns) == 1][:3]
    user, agent = [], []
    for fixture, delay_ms in zip(fixtures, ANSWERS_MS, strict=True):
        turn = fixture.turns[0]
        pcm = resample(read_pcm(turn), turn.rate_hz, 16_000)
        off = (turn.u_off_sample + 1) * 16_000 // turn.rate_hz
        both = np.zeros((off + 16 * delay_ms + 3 * 16_000, 2), np.int16)
        both[: min(off, len(pcm)), 0] = pcm[:off]
        at = off + 16 * delay_ms
        both[at : at + 16_000, 1] = 8000 * np.sin(np.arange(16_000) / 8)
        user.append(both[:, 0])
        agent.append(both[:, 1])
    stereo = np.stack([np.concatenate(user), np.concatenate(agent)], axis=1)
    path = tmp_path_factory.mktemp("calls") / "call.wav"
    soundfile.write(path, stereo, 16_000)
    return path


def latencies(run_dir):
    rows = [row for row in read_metrics(run_dir) if row.metric == "voice_to_voice"]
    return [row.value for row in sorted(rows, key=lambda row: row.turn) if row.valid]


def test_answers_of_known_delay_are_read_back_from_a_clean_call_within_10_ms(call_file, tmp_path):
    before = call_file.read_bytes()
    assert score(calls_in(call_file), tmp_path / "run", user="left") == []
    found = latencies(tmp_path / "run")
    assert len(found) == 3
    assert all(abs(ms - true) <= 10 for ms, true in zip(found, ANSWERS_MS, strict=True))
    assert call_file.read_bytes() == before
    run = read_run(tmp_path / "run")
    assert run.proposed() == ("call",)


def test_mu_law_at_8_khz_is_read_within_40_ms_and_the_user_may_be_on_the_right(call_file, tmp_path):
    stereo, _ = soundfile.read(call_file, dtype="int16")
    soundfile.write(tmp_path / "phone.wav", stereo[::2, ::-1], 8_000, subtype="ULAW", format="WAV")
    assert score(calls_in(tmp_path / "phone.wav"), tmp_path / "run", user="right") == []
    found = latencies(tmp_path / "run")
    assert len(found) == 3
    assert all(abs(ms - true) <= 40 for ms, true in zip(found, ANSWERS_MS, strict=True))


def test_two_mono_files_of_one_name_are_one_call(call_file, tmp_path):
    stereo, _ = soundfile.read(call_file, dtype="int16")
    soundfile.write(tmp_path / "7.user.wav", stereo[:, 0], 16_000)
    soundfile.write(tmp_path / "7.agent.wav", stereo[:-100, 1], 16_000)
    (files,) = calls_in(tmp_path)
    assert (files.name, files.user.name, files.agent.name) == ("7", "7.user.wav", "7.agent.wav")
    call = read(files)
    assert call.stereo.shape == stereo.shape
    assert (call.stereo[:, 0] == stereo[:, 0]).all()


def test_a_file_with_one_channel_or_a_silent_one_is_one_sentence(tmp_path):
    tone = (8000 * np.sin(np.arange(16_000) / 8)).astype(np.int16)
    soundfile.write(tmp_path / "mono.wav", tone, 16_000)
    with pytest.raises(LabError, match="has one channel, so who speaks can't be told"):
        read(calls_in(tmp_path / "mono.wav")[0])
    soundfile.write(tmp_path / "half.wav", np.stack([tone, 0 * tone], axis=1), 16_000)
    with pytest.raises(LabError, match="the agent's channel is silent throughout"):
        read(calls_in(tmp_path / "half.wav")[0])
    with pytest.raises(LabError, match="there is no such file or folder"):
        calls_in(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match="holds no recorded calls"):
        calls_in(tmp_path / "empty")


def test_the_command_scores_what_it_can_names_what_it_left_out_and_ends_with_1(call_file, tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "good.wav").write_bytes(call_file.read_bytes())
    soundfile.write(folder / "mono.wav", np.ones(16_000, np.int16), 16_000)
    run_dir = tmp_path / "run"
    done = CliRunner().invoke(app, ["score", str(folder), "--out", str(run_dir)])
    assert done.exit_code == 1
    assert "Recorded calls: what was said is not judged" in done.output
    assert "proposed, not checked: 1 fixture" in done.output
    assert "mono.wav: has one channel" in " ".join(done.output.split())
    assert len(latencies(run_dir)) == 3
    again = CliRunner().invoke(app, ["score", str(folder), "--out", str(run_dir)])
    assert again.exit_code != 0


def test_without_a_folder_the_run_has_a_short_name_in_results_and_is_the_latest(
    call_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["score", str(call_file), "--name", "an-agent-of-a-long-name"])
    assert done.exit_code == 0
    (run_dir,) = (path for path in Path("results").iterdir() if path.is_dir())
    assert re.fullmatch(r"\d{8}-\d{6}-an-agent-of-a-lo", run_dir.name)
    assert find_run("latest") == run_dir
    assert f"duplex-lab report {run_dir}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda one: one.name)
def test_answers_are_read_back_within_the_limit_at_the_median_in_every_condition(
    condition, tmp_path
):
    found = measure(condition, voices(12), 1, tmp_path)
    assert len(found.errors_ms) == EXCHANGES
    assert found.median_ms <= condition.limit_ms
