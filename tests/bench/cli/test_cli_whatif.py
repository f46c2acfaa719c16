"""``duplex-lab whatif``: what it prints of a run, and what it refuses."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.metrics.recompute import analyse
from bench.simulated.frames import write_example_duplex
from bench.simulated.turns import write_example_run
from bench.store.store import read_causes, read_metrics, read_run
from bench.summary.summary import summarise
from bench.whatif.stages import STAGES
from pipelines.errors import LabError
from pipelines.network.named import NETWORKS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of cascades, whose paths are whole, and of duplex presets, which have none."""
    folder = tmp_path_factory.mktemp("runs") / "both"
    write_example_run(folder, trials=24)
    write_example_duplex(folder, short=1)
    analyse(folder)
    return folder


def told(*words: object) -> str:
    done = CliRunner().invoke(app, ["whatif", *map(str, words)], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output or done.exception
    return done.stdout


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, ["whatif", *map(str, words)])
    assert done.exit_code != 0 and isinstance(done.exception, LabError)
    return str(done.exception)


def test_what_was_measured_is_what_show_says_of_the_same_turns(run: Path) -> None:
    rows = json.loads(told(run, "--set", "llm_to_clause=+0ms", "--format", "json"))["presets"]
    shown = summarise(read_run(run), read_metrics(run), read_causes(run)).presets
    compared = 0
    for row, preset in zip(rows, shown, strict=True):
        assert row["preset"] == preset.preset
        assert row["unanswered"] == preset.turns - preset.answered
        if row["turns"] == 0:
            assert row["p50_predicted_ms"] is None and row["p50_measured_ms"] is None
            assert sum(row["not_predicted"].values()) == row["answered"] == len(preset.values)
            continue
        assert row["turns"] == len(preset.values)
        compared += 1
        assert row["p50_measured_ms"] == preset.p50.value
        assert (row["p50_measured_low_ms"], row["p50_measured_high_ms"]) == (
            preset.p50.low, preset.p50.high,
        )  # fmt: skip
        # Nothing was changed: to the last digit it is what was measured.
        assert row["p50_predicted_ms"] == preset.p50.value
        assert row["change_ms"] == 0
        assert row["p95_predicted_ms"] is None  # of 59 turns that a p95 needs there are 22
    assert compared == 3


def test_a_shift_of_what_everything_waits_for_shifts_every_turn(run: Path) -> None:
    found = json.loads(told(run, "--set", "output=+40ms", "--turns", "--format", "json"))
    said = [row for row in found["turns"] if row["predicted_ms"] is not None]
    assert len(said) > 40
    for row in said:
        assert row["predicted_ms"] - row["measured_ms"] == pytest.approx(40, abs=1e-6)
        assert row["output=+40ms alone, ms"] == pytest.approx(40, abs=1e-6)
    for row in found["turns"]:
        assert (row["predicted_ms"] is None) == (row["reason"] is not None)
    for row in found["changes"]:
        assert (row["moves"], row["without_stage"]) == (row["turns"], 0)


def test_a_table_says_what_moved_and_what_did_not(run: Path) -> None:
    text = told(run, "--set", "output>=1ms", "--set", "vad_stop=0.5x")
    assert "output>=1ms alone moves no answer" in text and "vad_stop=0.5x alone" not in text
    assert "A release that comes earlier also cuts into more pauses" in text
    # What comes later cuts into nothing.
    assert "cuts into" not in told(run, "--set", "vad_stop=+30ms")


def test_csv_holds_the_turns_where_they_are_asked_for(run: Path) -> None:
    words = (run, "--set", "output=+40ms", "--turns", "--format")
    turns = json.loads(told(*words, "json"))["turns"]
    read = list(csv.DictReader(io.StringIO(told(*words, "csv"))))
    assert [(row["trial"], row["turn"]) for row in read] == [
        (row["trial"], str(row["turn"])) for row in turns
    ]


def test_what_is_left_out_is_counted_below_the_table(run: Path) -> None:
    rows = json.loads(told(run, "--set", "output=+1ms", "--format", "json"))["presets"]
    unanswered = {row["preset"]: row["unanswered"] for row in rows if row["unanswered"]}
    text = told(run, "--set", "output=+1ms")
    for preset, n in unanswered.items():
        assert f"{preset}: turns without an answer stay so, and are left out: {n}." in text
    assert unanswered and text.count("stay so, and are left out") == len(unanswered)


def test_random_weights_are_named_as_the_reason() -> None:
    text = told("results/sample", "--set", "stt_tail=0ms")
    assert "duplex-tiny: synthetic weights carry no conversation." in text
    said = refused("results/sample", "--set", "stt_tail=0ms", "--preset", "duplex-tiny")
    assert said.endswith("nothing can be predicted of it: synthetic weights carry no conversation.")


def test_every_format_holds_the_same_presets(run: Path) -> None:
    words = (run, "--set", "tts_ttfa=0.5x", "--network", "hspa")
    rows = json.loads(told(*words, "--format", "json"))["presets"]
    read = list(csv.DictReader(io.StringIO(told(*words, "--format", "csv"))))
    assert [row["preset"] for row in read] == [row["preset"] for row in rows]
    assert [row["p50_predicted_ms"] for row in read] == [
        "" if row["p50_predicted_ms"] is None else str(row["p50_predicted_ms"]) for row in rows
    ]
    assert all(f"| {row['preset']} |" in told(*words, "--format", "md") for row in rows)


def test_the_same_question_gets_the_same_answer(run: Path) -> None:
    words = (run, "--network", "lte", "--format", "json")
    assert told(*words) == told(*words)


def test_what_is_unknown_is_refused_in_a_sentence_with_the_list(run: Path) -> None:
    unknown = refused(run, "--set", "stt=0.5x")
    assert "there is no stage 'stt'" in unknown and ", ".join(STAGES) in unknown
    nowhere = refused(run, "--network", "4g")
    assert "there is no network '4g'" in nowhere and ", ".join(NETWORKS) in nowhere
    assert "there is no preset 'x' in it" in refused(run, "--preset", "x", "--network", "lte")
    assert "say what is to change: --set STAGE=0.5x" in refused(run)
    said = refused(run, "--set", "output=0ms", "--preset", "duplex-scripted-60ms")
    assert "nothing can be predicted of it" in said


def test_the_page_has_every_stage_with_its_definition() -> None:
    page = Path("docs/whatif.md").read_text(encoding="utf-8")
    for stage in STAGES.values():
        inside = stage.within or "–"
        assert f"| `{stage.name}` | {inside} | {stage.description} |" in page, stage.name
