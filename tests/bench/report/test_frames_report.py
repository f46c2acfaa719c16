"""The tables and the picture of runs with duplex presets, alone and beside cascades."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from bench.metrics.recompute import analyse
from bench.report.plots.latency import draw_report, write_report
from bench.report.text.console import Screen
from bench.report.text.table import REFUSED, blocks, markdown, notes, print_table
from bench.report.text.table_frames import duplex_notes
from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.simulated.turns import TurnPlan, labels_of, trial_of
from bench.stats.format import DASH
from bench.store.recording import Stereo
from bench.store.records import MetricRow, Trial
from bench.store.store import Run, save_recording, write_info, write_trial
from bench.summary.frames import DuplexSummary
from bench.summary.summary import RunSummary, summarise
from pipelines.kinds import Weights
from pipelines.marks import Mark
from tests.figure_texts import overlaps, texts

PLANS: dict[str, tuple[Weights, DuplexPlan]] = {
    "duplex-scripted-60ms": ("scripted", DuplexPlan(frames=60, unpaced=150)),
    "duplex-tiny": ("synthetic", DuplexPlan(frames=300, unpaced=150, service_ms=(50.0, 71.0))),
    "duplex-scripted-86ms": ("scripted", DuplexPlan(frames=1700, service_ms=(86.0,))),
}


def put(folder: Path, made: tuple[Trial, list[Mark], Stereo], **changes: object) -> None:
    trial, marks, pcm = made
    path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
    write_trial(folder, replace(trial, recording=path, **changes), marks)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[MetricRow]]:
    """Three duplex presets; only of the first is there an unpaced session, in the warm-up."""
    folder = tmp_path_factory.mktemp("duplex")
    for i, (preset, (weights, plan)) in enumerate(PLANS.items()):
        for repeat in range(2):
            made = duplex_trial_of(
                replace(plan, unpaced=0) if repeat else replace(plan, frames=40),
                preset=preset,
                repeat=repeat,
                weights=weights,
            )
            put(folder, made, warmup=repeat == 0, started_utc=f"{repeat}{i}")
    write_info(folder, {"machine": {"cpu": "an example", "cores": 2}})
    return analyse(folder)


@pytest.fixture(scope="module")
def duplex(analysed: tuple[Run, list[MetricRow]]) -> RunSummary:
    return summarise(*analysed)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """A cascade and a duplex preset in one run."""
    folder = tmp_path_factory.mktemp("both")
    fixtures = {}
    for i in range(22):
        fixture = f"f{i}"
        put(folder, trial_of([TurnPlan()], preset="cascade", fixture=fixture), started_utc=f"{i}")
        fixtures[fixture] = labels_of(fixture, [TurnPlan()]).to_dict()
    put(folder, duplex_trial_of(DuplexPlan(frames=150)), started_utc="99")
    write_info(folder, {"fixtures": fixtures})
    return summarise(*analyse(folder))


def of(summary: RunSummary, preset: str) -> DuplexSummary:
    (found,) = (p for p in summary.duplex if p.preset == preset)
    return found


def test_the_service_time_is_that_of_unpaced_sessions_if_there_are_any(duplex: RunSummary) -> None:
    quick, slow = of(duplex, "duplex-scripted-60ms"), of(duplex, "duplex-scripted-86ms")
    assert (quick.unpaced, slow.unpaced) == (True, False)
    names = ("service_p50", "service_p99", "rtf", "headroom")
    assert [quick.figures[name] for name in names] == pytest.approx([60, 60, 0.75, 20])
    assert slow.service_p50 == pytest.approx(86)
    assert any("duplex-scripted-86ms: no unpaced session" in note for note in notes(duplex))


def test_the_verdict_says_ramp_bimodal_steady_or_that_it_was_too_short(
    analysed: tuple[Run, list[MetricRow]], duplex: RunSummary
) -> None:
    # The two modes of duplex-tiny are those of its warm-up; elsewhere they would be said.
    assert [p.verdict for p in duplex.duplex] == ["too short", "too short", "ramp"]
    run, rows = analysed
    measured = [replace(row, warmup=False) if row.metric == "bimodal" else row for row in rows]
    verdicts = [p.verdict for p in summarise(run, measured).duplex]
    assert verdicts == ["too short", "bimodal", "ramp"]
    slow = of(duplex, "duplex-scripted-86ms")
    assert slow.drift == pytest.approx(69.767, abs=0.001)
    assert replace(slow, ramp=False).verdict == "steady"
    assert replace(slow, bimodal=True).verdict == "ramp, bimodal"


def test_warm_ups_are_not_counted_among_the_frames(duplex: RunSummary) -> None:
    assert [p.frames for p in duplex.duplex] == [60, 300, 1700]
    assert [p.trials for p in duplex.duplex] == [1, 1, 1]


def test_a_duplex_run_has_its_tables_and_none_of_a_cascades_parts(duplex: RunSummary) -> None:
    titles = [block.title for block in blocks(duplex)]
    assert any(title.startswith("Frame by frame (ms, budget 80") for title in titles)
    assert not any(title.startswith("Where the milliseconds go") for title in titles)
    for block in blocks(duplex):
        assert {len(row) for row in block.rows} == {len(block.header)}
    out = io.StringIO()
    print_table(duplex, Screen(out, width=100))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text.split("p50: two-sided")[0]


def test_synthetic_weights_are_refused_in_words(duplex: RunSummary) -> None:
    latency = next(block for block in blocks(duplex) if "as heard" in block.title)
    row = next(row for row in latency.rows if row[0] == "duplex-tiny")
    assert REFUSED in row
    cost = next(block for block in blocks(duplex) if "budget" in block.title)
    assert DASH not in next(row for row in cost.rows if row[0] == "duplex-tiny")


def test_a_cascade_run_has_no_duplex_tables(both: RunSummary) -> None:
    cascade = replace(both, duplex=())
    assert not any("budget" in block.title for block in blocks(cascade))
    assert not any("Frame by frame" in note for note in notes(cascade))


def test_both_kinds_share_one_table_and_one_picture(both: RunSummary) -> None:
    titles = [block.title for block in blocks(both)]
    assert any("budget 80" in title for title in titles)
    parts = next(block for block in blocks(both) if "milliseconds go" in block.title)
    assert [row[0] for row in parts.rows] == ["cascade"]
    shown = " ".join(t.get_text() for t in texts(draw_report(both)))
    assert "voice to voice" in shown and "Frame by frame" in shown
    assert "160 duplex floor" in shown and "80 ms budget" in shown
    assert "Frame by frame" in markdown(both)


def test_frames_that_were_lost_are_reported_loudly(duplex: RunSummary) -> None:
    broken = replace(duplex.duplex[0], lost=2, dropped=3)
    said = " ".join(duplex_notes([broken]))
    assert "2 frames were lost" in said and "not to be trusted" in said
    assert "3 of 60 frames were dropped" in said
    assert "lost" not in " ".join(duplex_notes(duplex.duplex))


def test_a_pre_roll_is_named(duplex: RunSummary) -> None:
    waits = replace(duplex.presets[0], preroll_ms=300.0)
    assert any("B = 300 ms" in note for note in notes(replace(duplex, presets=(waits,))))
    assert not any("pre-roll of B = 0" in note for note in notes(duplex))


@pytest.mark.parametrize("shown", [slice(0, 3), slice(0, 1), slice(2, 3), slice(0, 0)])
def test_no_text_lies_over_another_or_outside(duplex: RunSummary, shown: slice) -> None:
    presets, frames = duplex.presets[shown], duplex.duplex[shown]
    figure = draw_report(replace(duplex, presets=presets, duplex=frames))
    assert overlaps(figure) == []


def test_nor_does_it_with_cascades_beside_or_with_many_presets(
    duplex: RunSummary, both: RunSummary
) -> None:
    assert overlaps(draw_report(both)) == []
    many = tuple(replace(p, preset=f"{p.preset}-{i}") for i in range(2) for p in duplex.duplex)
    assert overlaps(draw_report(replace(duplex, duplex=many))) == []


def test_a_preset_of_which_nothing_counts_is_drawn_all_the_same(
    duplex: RunSummary, tmp_path: Path
) -> None:
    empty = replace(duplex.duplex[0], conversations=())
    summary = replace(duplex, duplex=(empty,))
    assert any("No conversation counts" in t.get_text() for t in texts(draw_report(summary)))
    write_report(tmp_path / "report.png", summary)
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
