"""Replay of recorded runs: underruns and delay for any pre-roll."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest

from bench.cli import replay as cli_replay
from bench.report.text.console import Screen
from bench.simulated.frames import T0_NS, DuplexPlan, duplex_trial_of
from bench.simulated.turns import TurnPlan, trial_of
from bench.store.store import write_info, write_trial
from bench.timeline.frames import sessions
from bench.timeline.replay import (
    PREROLLS_MS,
    Emission,
    Stream,
    replay,
    stream_of,
    stream_of_frames,
    sweep,
    together,
)
from pipelines.errors import LabError
from pipelines.marks import stamp

SLOW = DuplexPlan(frames=1000, service_ms=(86.0,), unfinished=0)
QUICK = DuplexPlan(frames=200, unpaced=50)


def stream(plan):
    trial, marks, _ = duplex_trial_of(plan)
    found = stream_of(sorted(marks, key=lambda m: m.t_ns), trial.rate_hz)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def slow():
    return stream(SLOW)


def test_pre_rolls_go_from_0_to_500_ms_in_steps_of_20():
    assert list(PREROLLS_MS) == [20 * i for i in range(26)]


def test_a_slow_model_leaves_the_same_silence_behind_any_pre_roll(slow):
    # 6 ms are lacking with each frame. What a pre-roll saves, it takes again after the hole.
    none = replay(slow, 0)
    assert none.underruns == 999 and none.silent_ms == pytest.approx(999 * 6)
    assert (none.delay_p50_ms, none.delay_max_ms) == (0, 0)
    behind = replay(slow, 300)
    assert behind.underruns == 999 // 51  # 300 = 50 · 6: the 51st frame is 6 ms too late
    assert behind.silent_ms == pytest.approx(behind.underruns * 306)
    assert behind.delay_max_ms == 300


def test_stretched_a_slow_model_is_heard_without_holes(slow):
    found = replay(slow, 300, stretch=True)
    assert (found.underruns, found.silent_ms) == (0, 0)
    assert found.factor == pytest.approx(86 / 80, abs=0.003)
    # It settles where the factor is 86/80: 1 + 0.3 · lack.
    lack = (86 / 80 - 1) / 0.3
    assert found.delay_p50_ms == pytest.approx(35 + 300 * (1 - lack), abs=8)


def test_a_model_that_keeps_up_only_gains_the_pre_roll():
    found = stream(QUICK)
    for ms in (0, 40, 300):
        played = replay(found, ms)
        assert (played.underruns, played.silent_ms, played.factor) == (0, 0, 1)
        assert (played.delay_p50_ms, played.delay_max_ms) == (ms, ms)
    assert replay(found, 80, stretch=True).factor == pytest.approx(1)


def test_unpaced_frames_are_not_replayed_and_sessions_give_the_same_stream():
    _, marks, _ = duplex_trial_of(QUICK)
    found = stream(QUICK)
    assert len(found.emissions) == QUICK.frames - QUICK.unfinished
    _, paced = sessions(marks, T0_NS)
    again = stream_of_frames(paced)
    assert [e.t_ns + T0_NS for e in again.emissions] == [e.t_ns for e in found.emissions]


def test_one_late_frame_is_saved_by_a_pre_roll_as_long_as_it_was_late():
    service = [60.0] * 200
    service[100] = 100.0  # 40 ms late
    found = stream(DuplexPlan(frames=200, service_ms=service))
    assert [replay(found, ms).underruns for ms in (0, 20, 38, 40, 300)] == [1, 1, 1, 0, 0]
    assert replay(found, 0).silent_ms == pytest.approx(40)


def test_a_cascades_replies_are_no_underruns_but_a_hole_in_one_is():
    plans = [TurnPlan(), TurnPlan(u_on_ms=5000.0, u_off_ms=6500.0)]
    trial, marks, _ = trial_of(plans)
    by_time = sorted(marks, key=lambda m: m.t_ns)
    found = stream_of(by_time, trial.rate_hz)
    assert found is not None and sum(e.new_reply for e in found.emissions) == 2
    assert replay(found, 0).underruns == 0
    # The 11th chunk of the first reply, and all after it, come 30 ms later.
    late = [m for m in by_time if m.stage == "link" and m.event == "write"][10].t_ns
    moved = [
        stamp(m.stage, m.event, t_ns=m.t_ns + 30_000_000, request_id=m.request_id, value=m.value)
        if m.stage == "link" and m.event == "write" and late <= m.t_ns < late + 2_000_000_000
        else m
        for m in by_time
    ]
    found = stream_of(sorted(moved, key=lambda m: m.t_ns), trial.rate_hz)
    assert found is not None
    assert (replay(found, 0).underruns, replay(found, 40).underruns) == (1, 0)
    assert replay(found, 0).silent_ms == pytest.approx(30, abs=0.1)


def test_what_an_interruption_cuts_is_not_played():
    trial, marks, _ = trial_of([TurnPlan()])
    cut = [m for m in marks if (m.stage, m.event) == ("link", "write")][20].t_ns
    kept = [m for m in marks if not (m.stage == "link" and m.event == "write" and m.t_ns > cut)]
    clear = stamp("link", "clear", t_ns=cut + 1, value=2.0)
    more = [
        stamp("link", "write", t_ns=cut + 3_000_000, request_id="g2:0", value=0.0),
        stamp("ear", "received", t_ns=cut + 3_100_000, request_id="g2:0", value=441.0),
    ]
    by_time = sorted([*kept, clear, *more], key=lambda m: m.t_ns)
    found = stream_of(by_time, trial.rate_hz)
    assert found is not None
    played = replay(found, 300)
    assert played.underruns == 0
    assert played.heard_s < 0.2 + 0.02  # of 0.42 s, 300 ms were still waiting


def test_nothing_emitted_is_nothing_to_replay():
    assert stream_of([], 24_000) is None


def test_a_sweep_adds_up_its_streams(slow):
    (plain, longer), *_ = sweep([slow, slow], [0])
    assert plain.underruns == 2 * replay(slow, 0).underruns
    assert plain.underruns_per_min == pytest.approx(replay(slow, 0).underruns_per_min)
    assert longer.stretched and not plain.stretched


@pytest.fixture
def run(tmp_path: Path) -> Path:
    trial, marks, _ = duplex_trial_of(QUICK)
    write_trial(tmp_path, trial, marks)
    write_info(tmp_path, {})
    return tmp_path


def test_the_command_prints_a_table_of_a_run_or_of_a_trial(run, monkeypatch):
    for what in (run, run / "duplex-example.session_example.0"):
        out = io.StringIO()
        monkeypatch.setattr(cli_replay, "console", lambda out=out: Screen(out, width=100))
        cli_replay.replay(str(what), step_ms=100)
        lines = out.getvalue().splitlines()
        assert "Playout of duplex-example, 1 trial" in lines[0]
        assert [line.split()[0] for line in lines if line.endswith("%")] == [
            str(ms) for ms in range(0, 501, 100)
        ]
        assert "…" not in out.getvalue() and max(map(len, lines)) <= 100


@pytest.mark.parametrize("what", ["nowhere", "nowhere/trial"])
def test_a_run_that_is_not_there_is_a_sentence(tmp_path, what):
    with pytest.raises(LabError):
        cli_replay.replay(str(tmp_path / what))


def test_a_trial_that_is_not_there_is_a_sentence(run):
    with pytest.raises(LabError, match="there is no trial"):
        cli_replay.replay(str(run / "other.trial.0"))


def test_a_pre_roll_longer_than_the_jitter_leaves_no_hole():
    rng = np.random.default_rng(2)
    found = stream(DuplexPlan(frames=400, service_ms=tuple(60 * rng.lognormal(0, 0.3, 400))))
    assert replay(found, 0).underruns > 0
    assert replay(found, 500).underruns == 0


def test_a_sweep_is_what_one_buffer_after_the_other_would_have_made():
    rng = random.Random(1)
    streams = []
    for _ in range(40):
        t_ns, pieces = rng.randrange(10**15), []
        for _ in range(rng.randrange(1, 60)):
            t_ns += rng.choice([0, 10**6 * rng.randrange(1, 300), rng.randrange(10**8)])
            clear_ns = t_ns - rng.randrange(10**8) if rng.random() < 0.1 else None
            pieces.append(Emission(t_ns, rng.randrange(1, 4000), rng.random() < 0.1, clear_ns))
        streams.append(Stream(rng.choice([8000, 16_000, 22_050, 24_000]), tuple(pieces)))
    prerolls = [0, 20, 80, 130, 500]
    for stream in streams:
        one_by_one = [(replay(stream, ms), replay(stream, ms, stretch=True)) for ms in prerolls]
        assert [(together([a]), together([b])) for a, b in one_by_one] == sweep([stream], prerolls)
