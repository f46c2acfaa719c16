"""What the terminal shows."""

import io
from dataclasses import replace
from typing import Any

import pytest

from bench.metrics.recompute import analyse
from bench.report.text.console import Screen
from bench.report.text.table import blocks, markdown, notes, print_table
from bench.simulated.turns import write_example_run
from bench.stats.format import with_interval
from bench.stats.quantiles import Estimate
from bench.summary.summary import Failed, RunSummary, Spoilt, summarise


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    folder = tmp_path_factory.mktemp("run")
    write_example_run(folder, trials=24)
    return summarise(*analyse(folder))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(summary: RunSummary, width: int | None = None) -> str:
    out = io.StringIO()
    print_table(summary, Screen(out, width))
    return out.getvalue()


def test_outside_a_terminal_the_tables_are_plain_and_nothing_is_left_out(
    summary: RunSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = printed(summary)
    assert "\x1b" not in text
    assert "Left out" not in text
    prose = text[text.index("p50: two-sided") :]
    assert max(map(len, prose.splitlines())) <= 100


@pytest.mark.parametrize("width", [80, 100])
def test_in_a_width_the_tables_fit_and_say_what_they_leave_out(
    summary: RunSummary, width: int
) -> None:
    text = printed(summary, width)
    assert max(map(len, text.splitlines())) <= width
    assert f"Left out at {width} columns: " in text


@pytest.mark.parametrize(("no_color", "codes"), [("", True), ("1", False)])
def test_bold_and_dim_stand_on_a_terminal_alone_and_no_color_is_obeyed(
    summary: RunSummary, monkeypatch: pytest.MonkeyPatch, no_color: str, codes: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    out = Terminal()
    print_table(summary, Screen(out))
    assert ("\x1b[1m" in out.getvalue(), "\x1b[2m" in out.getvalue()) == (codes, codes)
    assert "\x1b[3" not in out.getvalue()  # no foreground colour


def test_every_preset_and_every_figure_stands_in_full(summary: RunSummary) -> None:
    text = printed(summary)
    for preset in ("cascade-tuned", "cascade-stock", "scripted-600"):
        assert text.count(preset) >= 3
    assert "…" not in text.split("p50: two-sided")[0]  # nothing is cut off in the tables
    assert "insufficient n" in text


def test_a_preset_with_a_long_name_leaves_the_headers_whole(summary: RunSummary) -> None:
    long = replace(summary.presets[0], preset="cascade-scripted-random")
    tables = printed(replace(summary, presets=(long,))).split("p50: two-sided")[0]
    assert "cascade-scripted-random" in tables
    assert "…" not in tables


def test_all_rows_of_a_table_have_the_headers_length(summary: RunSummary) -> None:
    for block in blocks(summary):
        assert {len(row) for row in block.rows} == {len(block.header)}


def test_an_invalid_trial_is_named_with_its_reason(summary: RunSummary) -> None:
    text = "\n".join(notes(summary))
    assert "turn 0: mouth late: p99 30.0 ms > 5 ms" in text
    assert "smart-turn calls most half-cut synthetic sentences complete" in text
    assert "scripted-600: scripted stages, no models" in text
    said = "largest error of 20 clicks, idle, before the run: 0.05 ms (20 of 20 heard)."
    assert f"Calibration: {said}" in notes(summary)
    assert "3 warm-ups are kept apart." in notes(summary)


def test_turns_that_are_invalid_for_one_reason_stand_on_one_line(summary: RunSummary) -> None:
    late = [
        ("t", 0, "late"),
        ("t", 1, "late"),
        ("t", 2, "mute"),
        ("u", 3, "late"),
        ("u", 5, "late"),
    ]
    spoilt = tuple(Spoilt(*one) for one in late)
    found = notes(replace(summary, presets=(replace(summary.presets[0], invalid=spoilt),)))
    at = next(i for i, note in enumerate(found) if "5 turns are not valid" in note)
    assert found[at + 1 : at + 4] == [
        "  t, turns 0 to 1: late",
        "  t, turn 2: mute",
        "  u, turns 3, 5: late",
    ]


def test_the_smart_turn_note_stands_only_beside_the_stock_cascade(summary: RunSummary) -> None:
    others = tuple(p for p in summary.presets if p.preset != "cascade-stock")
    assert "smart-turn" not in "\n".join(notes(replace(summary, presets=others)))


def test_a_residual_beyond_its_bound_is_pointed_at(summary: RunSummary) -> None:
    first = summary.presets[0]
    slow = replace(first, medians={**first.medians, "residual": Estimate(35.0, 30)})
    text = "\n".join(notes(replace(summary, presets=(slow,))))
    assert "the median residual, 35 ms, exceeds 20 ms" in text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(612.4, 30, 598.2, 630.0, 20), "612 [598 – 630]"),
        (Estimate(612.4, 7, need=20), "612 (n 7)"),
        (Estimate(-12.0, 30, -30.0, 5.0, 20), "−12 [−30 – 5]"),
        (Estimate(None, 0, need=20), "–"),
    ],
)
def test_a_figure_stands_with_its_interval_or_with_its_n(estimate: Estimate, text: str) -> None:
    assert with_interval(estimate) == text


def test_the_markdown_has_the_same_figures_as_tables(summary: RunSummary) -> None:
    text = markdown(summary)
    for block in blocks(summary):
        for row in block.rows:
            assert "| " + " | ".join(row) + " |" in text


def test_what_a_trial_wrote_into_its_error_can_not_break_the_table(summary: RunSummary) -> None:
    bad = Failed("p.f\n.0", "error", "died\x1b[2J | at once")
    first = replace(summary.presets[0], preset="p\x07", failed=(bad,))
    broken = replace(summary, presets=(first,))
    for text in (printed(broken), markdown(broken)):
        assert r"p.f\n.0: error: died\x1b[2J | at once" in text
        assert r"p\x07" in text
        assert "\x1b" not in text


def test_unanswered_turns_stand_beside_the_invalid_ones(summary: RunSummary) -> None:
    p = replace(summary.presets[0], turns=25, answered=20, invalid=(), values=(500.0,) * 20)
    first = blocks(replace(summary, presets=(p,)))[0]
    shown = dict(zip(first.header, first.rows[0], strict=True))
    assert (shown["valid/n"], shown["invalid"], shown["no answer"]) == ("20/25", "0 %", "20 %")


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (
            {
                "spinner": {"cores": [0, 1], "why_not": None},
                "calibration": {
                    "timers_late_ms": 0.12,
                    "before_spinning": {"timers_late_ms": 1.84},
                },
            },
            "An idle-class spinner kept each of 2 cores awake: timers woke 1.8 ms late without it "
            "(p95), 0.1 ms with it.",
        ),
        (
            {
                "spinner": {"cores": [], "why_not": "asked not to, by --no-spin"},
                "calibration": {"timers_late_ms": 1.84},
            },
            "Timers woke 1.8 ms late (p95), without a spinner: asked not to, by --no-spin.",
        ),
        ({"spinner": {"cores": []}, "calibration": {"timers_late_ms": 0.5}}, None),
        ({"calibration": {"max_error_ms": 0.2}}, None),
    ],
)
def test_a_spinner_is_said_and_timers_that_woke_late_without_one(
    summary: RunSummary, session: dict[str, Any], said: str | None
) -> None:
    found = [n for n in notes(replace(summary, info={"sessions": [session]})) if "woke" in n]
    assert found == ([] if said is None else [said])


def test_a_calibration_without_counts_is_shown_all_the_same(summary: RunSummary) -> None:
    old = replace(summary, info={"calibration": {"max_error_ms": 0.2}})
    said = "Calibration: largest error of the clicks, idle, before the run: 0.20 ms."
    assert said in notes(old)
    assert "The harness was not calibrated in this run." in notes(replace(summary, info={}))


def test_labels_that_were_proposed_are_said_under_every_table(summary: RunSummary) -> None:
    said = "labels proposed, not checked: 2 fixtures (mine, yours); check them"
    of = replace(summary, proposed=("mine", "yours"))
    for text in (printed(of).replace("\n", " "), markdown(of)):
        assert said in text
    assert "labels proposed" not in printed(summary) + markdown(summary)
