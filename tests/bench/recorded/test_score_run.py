"""A run of recorded calls is a run as any other: turn-taking, page, comparison, gate, history."""

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bench.cli.main import app
from bench.fixtures.library import read_pcm, select
from bench.metrics.way import RECORDED
from bench.recorded.files import calls_in
from bench.recorded.score import score
from bench.simulated.calls import Placed, placed
from bench.store.store import read_metrics
from bench.timeline.replies import LEFT_UNKNOWN

RATE_HZ = 16_000


def speech(name):
    (fixture,) = select(name)
    turn = fixture.turns[0]
    return read_pcm(turn)[turn.u_on_sample : turn.u_off_sample + 1]


def tone(seconds):
    return (8000 * np.cos(np.arange(round(seconds * RATE_HZ)) / 8)).astype(np.int16)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two runs of one call each: a question, a barge-in that stops the agent, a word that does not.

    In the second every answer comes 100 ms later.
    """
    root = tmp_path_factory.mktemp("runs")
    ask, cut = speech("cmd_close_door"), speech("cmd_dance")
    word = ask[: RATE_HZ * 45 // 100]
    for run, later in (("base", 0.0), ("new", 0.1)):
        end = 1 + len(ask) / RATE_HZ
        barge = end + 2.5
        done = barge + len(cut) / RATE_HZ
        user = [Placed(ask, 1.0), Placed(cut, barge), Placed(word, done + 2.0)]
        agent = [
            Placed(tone(barge + 0.35 - end - 0.4 - later), end + 0.4 + later),
            Placed(tone(5.0), done + 0.5 + later),
        ]
        folder = tmp_path_factory.mktemp(run)
        soundfile.write(folder / "call.wav", placed(user, agent, done + 8, RATE_HZ), RATE_HZ)
        assert score(calls_in(folder), root / run, user="left", preset="agent") == []
    return root


def test_turn_taking_is_read_off_the_sound_alone(root):
    rows = {(row.turn, row.metric): row for row in read_metrics(root / "base")}
    assert rows[0, "voice_to_voice"].value == pytest.approx(400, abs=10)
    assert rows[1, "voice_to_voice"].value == pytest.approx(500, abs=10)
    stop = rows[1, "barge_in_stop"]
    assert (round(stop.value, -1), stop.reason) == (350, LEFT_UNKNOWN)
    assert rows[1, "yield_rate"].value == 100.0
    assert rows[2, "false_interruption"].value == 0.0
    assert rows[1, "takeover_strict"].value == 100.0
    assert 0 < rows[-1, "overlap"].value < 50
    assert rows[-1, "backchannels_per_min"].value == 0.0
    assert rows[-1, "underruns"].value is None
    assert rows[-1, "underruns"].reason == RECORDED


def test_the_page_plays_the_call(root, tmp_path):
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", str(root / "base"), "--out", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert '<script type="text/plain" id="a0-0">' in text
    assert "labels proposed, not checked: 1 fixture (call)" in text


def test_two_runs_are_compared_gated_and_stand_in_a_history(root):
    sides = [str(root / "base"), str(root / "new")]
    gated = CliRunner().invoke(app, ["compare", *sides, "--gate", "voice_to_voice.p50<=+300ms"])
    assert gated.exit_code in (0, 2), gated.output  # two turns are too few to be sure
    assert "voice_to_voice" in gated.output
    told = CliRunner().invoke(app, ["history", "voice_to_voice", "--root", str(root)])
    assert told.exit_code == 0, told.output
    assert "450" in told.output
    assert "550" in told.output
