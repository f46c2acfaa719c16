"""The frame-by-frame metrics, on marks whose right answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.metrics.compute import compute_trial
from bench.metrics.frames import drift_ms_per_s
from bench.metrics.table import METRICS
from bench.simulated.frames import T0_NS, DuplexPlan, duplex_trial_of
from bench.simulated.turns import TurnPlan, rows_of
from bench.store.records import MetricRow
from bench.timeline.frame_times import playout, service_ms
from bench.timeline.frames import DISCARDED, sessions
from pipelines.marks import Mark, stamp

SLOW = DuplexPlan(frames=1875, service_ms=(86.0,), unfinished=131)


def rows(plan: DuplexPlan, *, extra: list[Mark] | None = None, drop: str = "", **kwargs: object):
    trial, marks, pcm = duplex_trial_of(plan, **kwargs)  # type: ignore[arg-type]
    marks = [m for m in marks if f"{m.stage}.{m.event}" != drop] + (extra or [])
    found: dict[tuple[str, str | None], MetricRow] = {}
    for row in compute_trial(trial, marks, pcm, None):
        if row.turn < 0:
            assert (row.metric, row.subject) not in found
            found[row.metric, row.subject] = row
    return found


@pytest.fixture(scope="module")
def slow():
    return rows(SLOW)


@pytest.fixture(scope="module")
def quick():
    return rows(DuplexPlan(frames=150, unpaced=150))


def value(found, metric, subject=None):
    return found[metric, subject].value


def test_a_constant_86_ms_gives_its_drift_rtf_and_headroom_exactly(slow):
    assert value(slow, "drift") == pytest.approx(1000 * (1 - 80 / 86), abs=1e-6)
    assert value(slow, "drift_low") == pytest.approx(69.767, abs=1e-3)
    assert value(slow, "drift_high") == pytest.approx(69.767, abs=1e-3)
    assert value(slow, "ramp") == 1
    for of, wanted in (("p50", 86), ("p95", 86), ("p99", 86), ("mean", 86)):
        assert value(slow, f"service_{of}") == pytest.approx(wanted)
    assert value(slow, "rtf") == pytest.approx(86 / 80)
    assert value(slow, "headroom") == pytest.approx(-6)
    assert value(slow, "bimodal") == 0


def test_its_backlog_grows_by_6_ms_with_each_frame(slow):
    # Frame k is there at 80 (k + 1) + 0.1, and begins at 80.6 + 86 k.
    last = SLOW.frames - SLOW.unfinished - 1
    assert value(slow, "backlog_max") == pytest.approx(0.6 + 6 * last)
    middle = (DISCARDED + last) // 2
    assert value(slow, "backlog_p50") == pytest.approx(0.6 + 6 * middle)


def test_its_frames_are_heard_later_and_later(slow):
    # Emitted 87 ms after the start, carried in 0.3 ms, heard at once: it is late each time.
    last = SLOW.frames - SLOW.unfinished - 1
    first_heard_ms = 80.1 + 86 + 1 + 0.3
    assert value(slow, "hidden_lag_max") == pytest.approx(first_heard_ms + 6 * last, abs=0.05)
    assert value(slow, "inter_frame_p50") == pytest.approx(86)
    assert value(slow, "inter_frame_max") == pytest.approx(86)


def test_a_model_that_keeps_up_waits_for_the_user(quick):
    assert value(quick, "service_p50") is None
    assert "kept up" in quick["service_p50", None].reason
    assert value(quick, "service_p50", "unpaced") == pytest.approx(60)
    assert value(quick, "service_p99", "unpaced") == pytest.approx(60)
    assert value(quick, "rtf", "unpaced") == pytest.approx(0.75)
    assert value(quick, "headroom", "unpaced") == pytest.approx(20)
    assert value(quick, "inter_frame_p99") == pytest.approx(80)
    assert value(quick, "backlog_max") == pytest.approx(0.6)
    assert value(quick, "deadline_miss") == 0
    assert value(quick, "hidden_lag_p50") == pytest.approx(80.1 + 60 + 1 + 0.3, abs=0.05)


def test_the_parts_of_a_frame_are_told_apart(quick):
    for stage, wanted in (("encode", 10), ("step", 60 - 0.5 - 25), ("decode", 15)):
        assert value(quick, "stage_p50", stage) == pytest.approx(wanted)
        assert value(quick, "stage_p99", stage) == pytest.approx(wanted)
    assert value(quick, "added_p50", "in") == pytest.approx(0.5)
    assert value(quick, "added_p50", "out") == pytest.approx(1.0)
    assert value(quick, "added_p99") == pytest.approx(1.5)
    assert value(quick, "frame_latency_p50") == pytest.approx(0.1 + 60 + 1)


def test_no_drift_is_told_of_less_than_120_s(quick):
    row = quick["drift", None]
    assert (row.value, row.reason) == (None, "it needs 120 s, there are 10 s")


def test_the_first_25_frames_do_not_count(quick):
    slow_start = (*[79.0] * DISCARDED, *[60.0] * 125)
    found = rows(DuplexPlan(frames=150, service_ms=slow_start))
    assert value(found, "frame_latency_p99") == value(quick, "frame_latency_p50")
    assert value(found, "frames_in") == 150
    few = rows(DuplexPlan(frames=DISCARDED))
    assert value(few, "frame_latency_p50") is None
    assert "first 25" in few["frame_latency_p50", None].reason


def test_a_p99_of_fewer_than_100_frames_is_refused():
    row = rows(DuplexPlan(frames=100))["inter_frame_p99", None]
    assert (row.value, row.reason) == (None, "p99 needs 100 frames, there are 73")


def test_a_deadline_is_missed_once_and_counted_anew_from_there():
    # One frame of 100 takes 100 ms: 40 ms late; it is made up for, and the next are early.
    service = [60.0] * 125
    service[50] = 100.0
    found = rows(DuplexPlan(frames=125, service_ms=service, unfinished=0))
    assert value(found, "deadline_miss") == pytest.approx(100 * 1 / 100)
    assert value(found, "playout_miss", "B=0 ms") == value(found, "deadline_miss")
    assert value(found, "playout_miss", "B=40 ms") == 0  # exactly in time


def test_a_frame_that_comes_exactly_in_time_is_no_miss():
    _, marks, _ = duplex_trial_of(DuplexPlan(frames=60))
    (frames,) = sessions(marks, T0_NS)
    assert playout(frames, 0) == (0, 60 - 1 - DISCARDED)


def test_every_frame_of_a_slow_model_misses_without_a_pre_roll(slow):
    assert value(slow, "deadline_miss") == 100
    assert value(slow, "playout_miss", "B=0 ms") == 100
    # With B of 80 ms and 6 ms lost by each frame: one miss in every 14 frames (13 · 6 = 78 < 80).
    assert value(slow, "playout_miss", "B=80 ms") == pytest.approx(100 / 14, abs=0.1)


def test_lost_doubled_and_dropped_frames_are_counted():
    plan = DuplexPlan(frames=60)
    trial, marks, pcm = duplex_trial_of(plan)
    gone = [m for m in marks if not (m.stage == "duplex" and m.value == 30 and m.event == "done")]
    gone = [m for m in gone if not (m.stage == "duplex" and m.value in (30,) and "out" in m.event)]
    again = stamp("duplex", "done", t_ns=T0_NS, request_id="duplex-1", value=31.0)
    found = {r.metric: r.value for r in compute_trial(trial, [*gone, again], pcm, None)}
    assert (found["lost_frames"], found["doubled_frames"]) == (1, 1)
    assert found["dropped_frames"] == 0
    dropped = stamp("duplex", "dropped", t_ns=T0_NS, request_id="duplex-1", value=30.0)
    found = {r.metric: r.value for r in compute_trial(trial, [*gone, dropped], pcm, None)}
    assert (found["lost_frames"], found["dropped_frames"]) == (0, 1)


def test_a_frame_that_was_done_and_never_emitted_is_lost():
    trial, marks, pcm = duplex_trial_of(DuplexPlan(frames=60))
    silent = [m for m in marks if not (m.event == "frame_out" and m.value == 30)]
    found = {r.metric: r.value for r in compute_trial(trial, silent, pcm, None)}
    assert found["lost_frames"] == 1


def test_of_a_trial_that_failed_no_frame_figure_is_valid():
    trial, marks, pcm = duplex_trial_of(DuplexPlan(frames=150))
    failed = replace(trial, status="error", error="the model gave no frame within 20 s")
    found = {r.metric: r for r in compute_trial(failed, marks, pcm, None)}
    for name in ("deadline_miss", "inter_frame_p50", "underruns"):
        assert not found[name].valid
        assert "the model gave no frame within 20 s" in (found[name].reason or "")
    assert found["rss_peak_mb"].valid


def test_the_frames_after_a_new_session_in_the_same_conversation_do_not_count():
    _, marks, _ = duplex_trial_of(DuplexPlan(frames=150))
    reset = stamp(
        "duplex", "context_end", t_ns=T0_NS, request_id="duplex-1", value=100, text="reset"
    )
    (frames,) = sessions([*marks, reset], T0_NS)
    (whole,) = sessions(marks, T0_NS)
    assert int(whole.counts.sum()) == 150 - DISCARDED
    assert int(frames.counts.sum()) == 150 - 2 * DISCARDED
    assert not frames.counts[100:125].any() and frames.counts[99] and frames.counts[125]


def test_of_a_slow_models_unpaced_session_a_quarter_at_most_is_discarded():
    _, marks, _ = duplex_trial_of(DuplexPlan(service_ms=(4000.0,), unpaced=12))
    unpaced = next(f for f in sessions(marks, T0_NS) if f.is_unpaced)
    assert unpaced.discarded == 3
    assert service_ms(unpaced).tolist() == pytest.approx([4000.0] * 9)


def test_a_warm_start_is_from_opening_to_readiness_for_the_first_frame():
    trial, marks, pcm = duplex_trial_of(DuplexPlan(frames=60))
    ready = next(m.t_ns for m in marks if m.event == "ready" and m.value == 0)
    opened = [m for m in marks if (m.stage, m.event) != ("duplex", "session")]
    opened.append(
        stamp(
            "duplex", "session", t_ns=ready - 7_000_000, request_id="duplex-1", value=0, text="it"
        )
    )
    found = [r for r in compute_trial(trial, opened, pcm, None) if r.metric == "warm_start"]
    assert [r.subject for r in found] == ["it"]
    assert [r.value for r in found] == pytest.approx([7.0])


def test_the_frames_still_on_their_way_at_the_end_are_not_lost(quick):
    assert value(quick, "lost_frames") == value(quick, "doubled_frames") == 0
    found = rows(replace(SLOW, frames=300))
    assert value(found, "lost_frames") == 0


def test_frames_after_the_contexts_end_do_not_count():
    end = stamp("duplex", "context_end", t_ns=T0_NS, request_id="duplex-1", value=50.0, text="stop")
    assert value(rows(DuplexPlan(frames=120), extra=[end]), "frames_in") == 50


def test_a_server_elsewhere_is_measured_from_outside():
    plan = DuplexPlan(frames=150)
    trial, marks, pcm = duplex_trial_of(plan)
    outside = {"frame_in", "handed", "frame_out"}
    seen = [m for m in marks if m.stage != "duplex" or m.event in outside]
    found = {(r.metric, r.subject): r for r in compute_trial(trial, seen, pcm, None)}
    assert found["frame_latency_p50", None].value == pytest.approx(61.1)
    assert found["inter_frame_p99", None].value == pytest.approx(80)
    assert found["stage_p50", "step"].value is None
    assert found["service_p50", None].value is None
    assert found["lost_frames", None].value == 0


def test_two_modes_are_told_if_they_are_more_than_a_timer_apart():
    rng = np.random.default_rng(3)
    apart = np.where(rng.random(150) < 0.5, 50.0, 60.0) + rng.normal(0, 0.5, 150)
    assert value(
        rows(DuplexPlan(frames=40, service_ms=tuple(apart), unpaced=150)), "bimodal", "unpaced"
    )
    near = 60 + (apart - 50) / 100
    row = rows(DuplexPlan(frames=40, service_ms=tuple(near), unpaced=150))["bimodal", "unpaced"]
    assert row.value == 0 and row.reason is not None and "modes lie within" in row.reason


def test_a_hole_in_an_endless_stream_is_an_underrun_wherever_a_turn_begins(slow):
    # Each frame is 6 ms late: a hole of 6 ms after each, all of it inside speech.
    heard = SLOW.frames - SLOW.unfinished
    assert value(slow, "underrun_ms") == pytest.approx(6 * (heard - 1), rel=0.01)


def test_synthetic_weights_give_costs_but_no_conversation():
    trial, marks, pcm = duplex_trial_of(DuplexPlan(frames=150), weights="synthetic")
    found = compute_trial(trial, marks, pcm, None)
    by_name = {(r.metric, r.subject): r for r in found}
    assert by_name["voice_to_voice", None].value is None
    assert by_name["frame_latency_p50", None].value == pytest.approx(61.1)


def test_a_late_mouth_spoils_what_needs_the_users_time_and_no_more():
    found = rows(DuplexPlan(frames=150, unpaced=150), mouth_late_ms=9.0)
    assert not found["deadline_miss", None].valid and not found["backlog_max", None].valid
    assert found["service_p50", "unpaced"].valid and found["stage_p50", "step"].valid


def test_every_duplex_metric_gives_rows_and_a_cascade_has_none_of_them(quick):
    duplex = {m.name for m in METRICS if m.group in ("frames",) or "of frames" in m.description}
    assert duplex <= {name for name, _ in quick}
    assert not duplex & {name for _, name in rows_of([TurnPlan()])}


def test_sessions_come_in_the_order_in_which_they_began():
    _, marks, _ = duplex_trial_of(DuplexPlan(frames=40, unpaced=30))
    first, second = sessions(marks, T0_NS)
    assert first.is_unpaced and not second.is_unpaced
    assert (len(first), len(second)) == (30, 40)
    assert isinstance(drift_ms_per_s(second), str)
