"""A folder in Full-Duplex-Bench's layout: its scripts' figures, clamps and all, and ours beside."""

import hashlib
import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bench.cli.main import app
from bench.fixtures.library import read_pcm, select
from bench.recorded.full_duplex_bench import samples_in
from bench.recorded.score import score
from bench.simulated.calls import Placed, placed
from bench.store.store import read_metrics, read_run
from bench.summary.summary import summarise
from pipelines.audio.resample import resample
from pipelines.errors import LabError

RATE_HZ = 16_000


def tone(seconds):
    return (8000 * np.cos(np.arange(round(seconds * RATE_HZ)) / 8)).astype(np.int16)


def speech(name):
    """A fixture's first turn, from its first audible sample to its last."""
    (fixture,) = select(name)
    turn = fixture.turns[0]
    pcm = resample(read_pcm(turn), turn.rate_hz, RATE_HZ)
    on, off = (s * RATE_HZ // turn.rate_hz for s in (turn.u_on_sample, turn.u_off_sample))
    return pcm[on : off + 1]


def words(*times):
    return {
        "text": "",
        "chunks": [{"text": f"w{i}", "timestamp": list(t)} for i, t in enumerate(times)],
    }


def sample(folder, user, agent, length_s=8.0, prefix="", **files):
    folder.mkdir(parents=True, exist_ok=True)
    stereo = placed(user, agent, length_s, RATE_HZ)
    for channel, name in enumerate(("input", "output")):
        soundfile.write(folder / f"{prefix}{name}.wav", stereo[:, channel], RATE_HZ)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """v1 and v1.5, each sample with what it must give beside it."""
    root = tmp_path_factory.mktemp("fdb")
    ask = speech("cmd_close_door")
    end = 1 + len(ask) / RATE_HZ
    label = [{"timestamp": [end + 0.05, end + 0.1]}]  # annotated 50 ms after the last sound
    asked = [Placed(ask, 1.0)]
    turns = root / "candor_turn_taking"

    def answered(name, at, seconds, *times):
        heard = [Placed(tone(seconds), end + at)]
        output = words(*((end + a, end + b) for a, b in times))
        sample(turns / name, asked, heard, turn_taking=label, output=output)

    answered("1", 0.3, 1.5, (0.3, 0.9), (0.9, 1.8))  # theirs 250 ms, ours 300
    answered("2", -0.4, 1.5, (-0.4, 0.2), (0.2, 1.1))  # theirs 0, ours −400
    answered("10", 0.5, 0.6, (0.5, 0.7), (0.8, 1.1))  # two words in 0.6 s: no turn
    sample(turns / "11", asked, [], turn_taking=label, output=words())  # silence: no turn

    broke = speech("cmd_dance")
    at, stops_at = end + 3.0, end + 3.35
    done = at + len(broke) / RATE_HZ
    sample(
        root / "synthetic_user_interruption" / "1",
        [Placed(ask, 1.0), Placed(broke, at)],
        [Placed(tone(stops_at - end - 0.3), end + 0.3), Placed(tone(1.5), done + 0.32)],
        length_s=done + 3,
        interrupt=[{"context": "c", "interrupt": "i", "timestamp": [at, done]}],
        output=words((done + 0.32, done + 0.8), (done + 0.8, done + 1.8)),
    )
    pause = [Placed(ask, 1.0), Placed(broke, end + 1.5)]
    sample(
        root / "synthetic_pause_handling" / "1",
        pause,
        [Placed(tone(0.9), end + 0.4)],
        length_s=end + 6,
        pause=[{"text": "[PAUSE]", "timestamp": [end + 0.1, end + 1.4]}],
        output=words((end + 0.4, end + 0.8), (end + 0.9, end + 1.1)),
    )
    sample(
        root / "icc_backchannel" / "1",
        asked,
        [Placed(np.concatenate([ask, broke]), 3.0)],  # 1.8 s of speech: the turn is taken
        output=words((3.1, 3.4), (3.5, 4.0)),
    )
    sample(
        root / "icc_backchannel" / "2",
        asked,
        [Placed(ask, 3.0)],  # 0.75 s with two words: a backchannel
        output=words((3.1, 3.3), (3.4, 3.6)),
    )
    people = {"2": [0.0] * 14 + [1.0] * 5 + [0.0] * 22}  # bins of 200 ms over 8 s
    (root / "icc_backchannel" / "icc_gt_distribution.json").write_text(json.dumps(people))
    overlap = root / "v1.5" / "user_interruption" / "1"
    sample(
        overlap,
        [Placed(ask, 1.0), Placed(broke, at)],
        [
            Placed(ask, end + 0.5),
            Placed(ask, at + 0.3 - len(ask) / RATE_HZ),
            Placed(ask, done + 0.6),
        ],
        length_s=done + 4,
        metadata={"timestamps": [at, done]},
        output=words((end + 0.5, end + 1.5)),
    )
    sample(overlap, asked, [Placed(ask, end + 0.5)], prefix="clean_")
    return root


def hashes(root):
    files = (path for path in root.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in files}


@pytest.fixture(scope="module")
def run_dir(root, tmp_path_factory):
    before = hashes(root)
    where = tmp_path_factory.mktemp("runs") / "run"
    assert score(samples_in(root), where, user="left", preset="agent") == []
    assert hashes(root) == before
    return where


def values(run_dir, trial, metric):
    rows = [r for r in read_metrics(run_dir) if r.trial_id == trial and r.metric == metric]
    return [row.value for row in rows]


TURNS = "agent.candor_turn_taking"


def test_takeover_and_latency_are_the_scripts_with_their_clamps(run_dir):
    assert values(run_dir, f"{TURNS}.1.0", "fdb_takeover") == [100.0]
    assert values(run_dir, f"{TURNS}.1.0", "fdb_latency") == [pytest.approx(250)]
    assert values(run_dir, f"{TURNS}.2.0", "fdb_latency") == [0.0]
    assert values(run_dir, f"{TURNS}.10.0", "fdb_takeover") == [0.0]
    assert values(run_dir, f"{TURNS}.10.0", "fdb_latency") == [None]
    assert values(run_dir, f"{TURNS}.11.0", "fdb_takeover") == [0.0]


def test_ours_stands_beside_them_signed_and_as_heard(run_dir):
    assert values(run_dir, f"{TURNS}.1.0", "voice_to_voice") == [pytest.approx(300, abs=10)]
    assert values(run_dir, f"{TURNS}.2.0", "voice_to_voice") == [pytest.approx(-400, abs=10)]
    assert values(run_dir, f"{TURNS}.10.0", "takeover_strict") == [0.0]
    assert values(run_dir, f"{TURNS}.11.0", "voice_to_voice") == [None]


def test_an_interruption_is_labelled_and_its_stop_is_ours_alone_in_v1(run_dir):
    trial = "agent.synthetic_user_interruption.1.0"
    assert values(run_dir, trial, "fdb_latency") == [pytest.approx(320)]
    assert values(run_dir, trial, "barge_in_stop") == [None, pytest.approx(350, abs=15)]
    assert values(run_dir, trial, "voice_to_voice")[1] == pytest.approx(320, abs=10)
    assert values(run_dir, trial, "fdb_stop") == []


def test_a_labelled_pause_divides_no_turn_and_an_onset_in_it_is_early(run_dir):
    trial = "agent.synthetic_pause_handling.1.0"
    assert values(run_dir, trial, "fdb_takeover") == [0.0]  # two words, 0.7 s
    assert values(run_dir, trial, "pauses") == [1.0]
    assert values(run_dir, trial, "premature_start") == [100.0]


def test_backchannels_are_counted_by_stretches_of_speech(run_dir):
    trial = "agent.icc_backchannel.1.0"
    assert values(run_dir, trial, "fdb_takeover") == [100.0]
    assert values(run_dir, trial, "fdb_backchannel_rate") == [0.0]
    first, second = [r for r in read_metrics(run_dir) if r.metric == "fdb_backchannel_jsd"]
    assert first.value is None
    assert "icc_gt_distribution.json" in first.reason
    assert 0 < second.value < 0.4
    assert values(run_dir, "agent.icc_backchannel.2.0", "fdb_takeover") == [0.0]
    assert values(run_dir, "agent.icc_backchannel.2.0", "fdb_backchannel_rate") == [1 / 8]


def test_v1_5_gives_every_overlap_and_every_next_start(run_dir):
    trial = "agent.v1.5.user_interruption.1.0"
    (stop,) = values(run_dir, trial, "fdb_stop")
    assert stop == pytest.approx(300, abs=130)  # Silero's windows of 32 ms, padded by 30 ms
    first, second = values(run_dir, trial, "fdb_response")
    assert first == pytest.approx(500, abs=130)
    assert second == pytest.approx(600, abs=130)
    assert values(run_dir, trial, "fdb_takeover") == []
    clean = [t for t in read_run(run_dir).trials if t.preset == "agent-clean"]
    assert [t.fixture for t in clean] == ["v1.5.user_interruption.1.clean"]


def test_the_summary_holds_both_side_by_side_as_means(run_dir):
    run, rows = read_run(run_dir), read_metrics(run_dir)
    found = {(f.task, f.figure): f for f in summarise(run, rows).full_duplex_bench}
    takeover = found["v1 smooth_turn_taking", "takeover"]
    assert (takeover.theirs, takeover.theirs_n) == (50.0, 4)
    latency = found["v1 smooth_turn_taking", "latency"]
    assert latency.theirs == pytest.approx(125)
    assert latency.theirs_n == 2
    assert latency.ours_n == 3  # the short answer of 500 ms is heard too
    assert latency.ours == pytest.approx((300 - 400 + 500) / 3, abs=10)
    assert found["v1 user_interruption", "latency"].ours_p50 == pytest.approx(320, abs=10)


def test_show_json_and_the_page_have_the_table(run_dir, tmp_path):
    shown = CliRunner().invoke(app, ["show", str(run_dir)])
    assert "Full-Duplex-Bench's own figures, and ours of the same calls" in shown.output
    machine = CliRunner().invoke(app, ["show", str(run_dir), "--all", "--format", "json"])
    (summary,) = json.loads(machine.output)["runs"]
    assert {f["figure"] for f in summary["full_duplex_bench"]} >= {"takeover", "latency", "stop"}
    page = tmp_path / "page.html"
    made = CliRunner().invoke(app, ["report", str(run_dir), "--out", str(page)])
    assert made.exit_code == 0, made.output
    assert "own figures, and ours of the same calls" in page.read_text()


def test_a_folder_that_is_none_or_whose_task_is_unknown_is_one_sentence(tmp_path):
    with pytest.raises(LabError, match="there is no such folder"):
        samples_in(tmp_path / "none")
    with pytest.raises(LabError, match=r"holds no sample of Full-Duplex-Bench: folders with"):
        samples_in(tmp_path)
    sample(tmp_path / "1", [], [])
    with pytest.raises(LabError, match=r"add --task with one of: pause_handling, backchannel"):
        samples_in(tmp_path)
    (call,) = samples_in(tmp_path, "backchannel")
    assert call.labelled.task == "v1 backchannel"
    (tmp_path / "1" / "turn_taking.json").write_text('[{"timestamp": ["x"]}]')
    with pytest.raises(LabError, match=r"turn_taking\.json: a label needs 'timestamp'"):
        samples_in(tmp_path)
