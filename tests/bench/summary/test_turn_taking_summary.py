"""Turn-taking, summed up: rates and medians that can be counted by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.metrics.compute import compute
from bench.report.text.table import blocks, markdown
from bench.report.text.table_turn_taking import turn_taking_blocks, turn_taking_notes
from bench.simulated.turn_taking import TurnTakingPlan, write_example_turn_taking_run
from bench.simulated.turns import write_example_run
from bench.store.store import read_run
from bench.summary.summary import RunSummary, summarise

CUT = TurnTakingPlan()
SPOKE_ON = replace(CUT, reply=(2500, 6500), reply_meant_ms=9000.0, then=None)
BY_ITSELF = replace(CUT, ending="itself", reply=(2500, 5000), then=None)
BACKCHANNEL = TurnTakingPlan(event="backchannel", speaks=(4000, 4300), then=None)
IGNORED = replace(BACKCHANNEL, ending="itself", reply=(2500, 8500))
ANSWERED = replace(BACKCHANNEL, then=(5000, 6500))


def summary_of(folder: Path, *plans: TurnTakingPlan) -> RunSummary:
    write_example_turn_taking_run(folder, plans)
    run = read_run(folder)
    return summarise(run, compute(run))


def test_the_median_stop_counts_those_that_did_not_stop(tmp_path):
    stops = [replace(CUT, reply=(2500, 4000 + ms), decided_ms=4100) for ms in (300, 400, 500)]
    (found,) = summary_of(tmp_path, *stops, SPOKE_ON, SPOKE_ON, BY_ITSELF).turn_taking
    # Of 6 two thirds are left after 400 ms and half after 500: the median. Without the three that
    # never stopped it would be 400.
    assert (found.stop.value, found.stop.n, found.censored) == (500.0, 6, 3)
    assert found.decided.value == 100.0
    # A reply that ended by itself tells nothing of yielding: 3 of 5.
    assert (found.yields.value, found.yields.n) == (0.6, 5)


def test_events_that_want_no_answer_are_counted_apart_from_questions(tmp_path):
    (found,) = summary_of(tmp_path, BACKCHANNEL, IGNORED, ANSWERED, IGNORED, CUT).turn_taking
    assert (found.false_stops.value, found.false_stops.n) == (0.5, 4)
    assert (found.intrusion.value, found.intrusion.n) == (0.25, 4)  # one of them was answered
    # The five questions, and the interruption: each was answered after the user's end.
    assert (found.takeover.value, found.takeover.n) == (1.0, 6)


def test_early_starts_are_counted_per_pause_and_not_per_turn(tmp_path):
    late = replace(CUT, asks=(500, 3000), speaks=(7000, 8000), reply=(3500, 4350))
    three = replace(late, pauses=((700, 900), (1000, 1500), (2000, 2600)))
    early = replace(late, pauses=((1000, 1500),), reply=(1200, 1700))
    (found,) = summary_of(tmp_path, three, early).turn_taking
    assert (found.early.value, found.early.n) == (0.25, 4)


def test_overlap_is_the_mean_over_conversations(tmp_path):
    (found,) = summary_of(tmp_path, CUT, replace(CUT, reply=(2500, 3500), then=None)).turn_taking
    assert found.overlap.value == pytest.approx((350 / 6000 + 0) / 2)


def test_a_run_without_events_has_no_such_table(tmp_path):
    write_example_run(tmp_path, trials=2)
    run = read_run(tmp_path)
    summary = summarise(run, compute(run))
    assert summary.turn_taking == ()
    assert not list(turn_taking_blocks(summary.turn_taking))
    assert not list(turn_taking_notes(summary.turn_taking))
    assert not any("Turn-taking" in block.title for block in blocks(summary))


def test_the_table_and_its_notes_say_what_is_censored(tmp_path):
    summary = summary_of(tmp_path, CUT, SPOKE_ON, BACKCHANNEL)
    user, agent = turn_taking_blocks(summary.turn_taking)
    assert user.rows == (("example", "350 (n 2)", "340 (n 1)", "50 (n 2)", "100 (n 1)"),)
    # 350 of 6000 ms, 1500 of 5500 and 300 of 3350: 14 % on average.
    assert agent.rows == (("example", "–", "80 (n 5)", "0 (n 1)", "14 (n 3)"),)
    assert "example: 1 of 2 barge-ins are censored." in markdown(summary)


def test_synthetic_weights_have_no_figures_here(tmp_path):
    summary = summary_of(tmp_path, CUT)
    found = replace(summary.turn_taking[0], weights="synthetic")
    assert any("synthetic weights" in note for note in turn_taking_notes((found,)))
