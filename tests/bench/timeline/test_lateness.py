"""The bounds on the ruler: what breaks them, and what does not."""

from dataclasses import replace
from typing import Any

import pytest

from bench.simulated.turns import T0_NS, TurnPlan, trial_of
from bench.timeline.lateness import (
    broken_bound,
    ear_lateness,
    loop_lag,
    mouth_lateness,
    with_lateness,
)
from bench.timeline.timeline import Timeline, reconstruct
from pipelines.marks import Mark, stamp


def with_late_chunk(stage: str, at_ms: float, late_ms: float) -> Timeline:
    """A trial with one chunk, due or sent by ``at_ms``, that came late; too few for its p99."""
    trial, marks, pcm = trial_of([TurnPlan(speech_ms=4000)])
    key = ("user", "chunk_sent") if stage == "mouth" else ("ear", "received")
    wanted = T0_NS + round(at_ms * 1e6)
    ours = [m for m in marks if (m.stage, m.event) == key]
    victim = min(ours, key=lambda m: abs(m.t_ns - wanted))
    late = replace(victim, t_ns=victim.t_ns + round(late_ms * 1e6))
    return reconstruct(trial, [late if m is victim else m for m in marks], pcm)


def sent(k: int, late_ms: float) -> Mark:
    t_ns = T0_NS + round(((k + 1) * 20 + late_ms) * 1e6)
    return stamp("user", "chunk_sent", t_ns=t_ns, value=float(k))


def test_lateness_is_sent_less_due_and_due_is_after_the_chunks_last_sample() -> None:
    late = mouth_lateness([sent(0, 1.5), sent(1, 0.0), sent(2, -0.25)], T0_NS, 20)
    assert late.ms.tolist() == [1.5, 0.0, -0.25]
    assert late.at_ns.tolist() == [T0_NS + k * 20_000_000 for k in (1, 2, 3)]
    assert (late.quantile(0.5), late.quantile(1.0)) == (0.0, 1.5)


def test_a_quantile_of_lateness_is_a_value_that_was_seen() -> None:
    late = mouth_lateness([sent(k, float(k)) for k in range(100)], T0_NS, 20)
    assert (late.quantile(0.5), late.quantile(0.99), late.quantile(1.0)) == (49.0, 98.0, 99.0)


def test_no_chunks_have_no_lateness() -> None:
    for late in (mouth_lateness([], 0, 20), loop_lag([], 0, 20), ear_lateness([])):
        assert late.quantile(0.99) is None


def test_a_chunk_that_was_received_but_not_stamped_is_left_out_of_the_ears_lateness() -> None:
    marks = [
        stamp("ear", "received", t_ns=5_000_000, request_id="g0:0", value=1.0),
        stamp("ear", "received", t_ns=9_000_000, request_id="g0:1", value=1.0),
        stamp("link", "write", t_ns=8_500_000, request_id="g0:1", value=0.0),
    ]
    assert ear_lateness(marks).ms.tolist() == [0.5]


@pytest.mark.parametrize("late_ms", [0.2, 4.9])
def test_a_ruler_within_the_bounds_is_straight(late_ms: float) -> None:
    trial, marks, pcm = trial_of([TurnPlan()], mouth_late_ms=late_ms, ear_late_ms=late_ms)
    assert broken_bound(reconstruct(trial, marks, pcm)) is None


def test_a_p99_beyond_5_ms_breaks_the_ruler_of_mouth_and_ear() -> None:
    for who in ("mouth", "ear"):
        late: dict[str, Any] = {f"{who}_late_ms": 5.1}
        trial, marks, pcm = trial_of([TurnPlan()], **late)
        found = broken_bound(reconstruct(trial, marks, pcm))
        assert found == f"{who} late: p99 5.1 ms > 5 ms"


@pytest.mark.parametrize(
    ("at_ms", "late_ms", "broken"),
    [
        (1860, 20.5, True),  # within 200 ms before u_off
        (2300, 20.5, True),  # between u_off and a_on
        (2300, 19.5, False),
        (1700, 90.0, False),  # long before: it delays nothing that is measured
        (2700, 90.0, False),  # after a_on
    ],
)
def test_one_chunk_by_20_ms_breaks_it_only_where_the_answer_depends_on_it(
    at_ms: float, late_ms: float, broken: bool
) -> None:
    found = broken_bound(with_late_chunk("mouth", at_ms, late_ms))
    assert (found is not None) == broken


def test_one_chunk_of_the_agent_that_came_late_before_the_onset_breaks_it() -> None:
    found = broken_bound(with_late_chunk("ear", 2343, 25))
    assert found == "ear late: a chunk before the answer by 25.3 ms > 20"


def test_in_a_short_reply_the_p99_is_the_worst_chunk() -> None:
    trial, marks, pcm = trial_of([TurnPlan(speech_ms=900)])
    received = [m for m in marks if (m.stage, m.event) == ("ear", "received")]
    late = replace(received[-1], t_ns=received[-1].t_ns + 6_000_000)
    found = broken_bound(reconstruct(trial, [*marks, late], pcm))
    assert found == "ear late: p99 6.3 ms > 5 ms"


def test_without_an_answer_the_chunks_are_watched_for_as_long_as_one_is_waited_for() -> None:
    trial, marks, pcm = trial_of([replace(TurnPlan(), heard_ms=None)])
    late = [sent(150, 30.0)]
    assert broken_bound(reconstruct(trial, [*marks, *late], pcm)) is not None


def test_a_trials_row_is_given_its_lateness() -> None:
    trial, marks, pcm = trial_of([TurnPlan()], mouth_late_ms=0.2, ear_late_ms=0.4)
    row = with_lateness(trial, marks, pcm)
    assert row.status == "ok"
    assert (row.mouth_late_ms_p50, row.mouth_late_ms_p99, row.mouth_late_ms_max) == (0.2,) * 3
    assert (row.ear_late_ms_p50, row.ear_late_ms_p99, row.ear_late_ms_max) == (0.4,) * 3


def test_a_broken_bound_is_the_trials_status_unless_something_worse_is() -> None:
    trial, marks, pcm = trial_of([TurnPlan()], mouth_late_ms=9.0)
    assert with_lateness(trial, marks, pcm).status == "ruler_late"
    assert with_lateness(replace(trial, status="error"), marks, pcm).status == "error"


def test_a_trial_that_failed_at_its_start_has_no_lateness() -> None:
    trial, _, _ = trial_of([TurnPlan()])
    failed = replace(trial, status="error", rate_hz=0, t0_ns=0)
    assert with_lateness(failed, [], None) == failed
