import csv
import io
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bench.cli.report import report
from bench.metrics.compute import compute
from bench.report.text.formats import as_csv, as_json, as_markdown, plain
from bench.report.text.table import markdown
from bench.simulated.turns import write_example_run
from bench.store.store import read_run
from bench.summary.summary import summarise


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_example_run(folder, trials=4)
    run = read_run(folder)
    return folder, run, compute(run)


def test_markdown_is_that_of_the_table(example):
    _, run, rows = example
    summary = summarise(run, rows)
    assert as_markdown([summary, summary]) == "\n".join([f"## example\n\n{markdown(summary)}"] * 2)


def test_json_holds_every_estimate_with_its_n_and_null_where_there_is_none(example):
    _, run, rows = example
    summary = summarise(run, rows)
    (found,) = json.loads(as_json([summary]))["runs"]
    assert found["run_id"] == "example"
    assert found["calibration_error_ms"] == 0.05
    for preset, own in zip(found["presets"], summary.presets, strict=True):
        assert preset["p50"]["value"] == own.p50.value
        assert preset["p50"]["n"] == own.p50.n == len({v for v in own.values})
        assert preset["p50"]["low"] is None  # four turns bound nothing
        assert preset["p95"]["value"] is None
        assert preset["invalid_rate"] == own.invalid_rate


def test_json_says_whose_labels_were_proposed_and_not_checked(example):
    _, run, rows = example
    summary = replace(summarise(run, rows), proposed=("mine", "yours"))
    checked, found = json.loads(as_json([summarise(run, rows), summary]))["runs"]
    assert (checked["proposed"], found["proposed"]) == ([], ["mine", "yours"])
    said = [note for note in found["notes"] if "labels proposed" in note]
    assert len(said) == 1
    assert said[0].startswith("labels proposed, not checked: 2 fixtures (mine, yours)")
    assert not any("labels proposed" in note for note in checked["notes"])


def test_what_is_no_number_is_null_in_json():
    assert plain({"a": float("nan"), "b": [float("inf"), 1.5], "c": None}) == {
        "a": None,
        "b": [None, 1.5],
        "c": None,
    }


def test_csv_is_the_long_table_of_metrics(example):
    _, _, rows = example
    found = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert len(found) == len(rows)
    first = next(i for i, row in enumerate(rows) if row.metric == "voice_to_voice")
    assert found[first]["trial_id"] == rows[first].trial_id
    assert float(found[first]["value"]) == rows[first].value
    none = next(i for i, row in enumerate(rows) if row.value is None)
    assert found[none]["value"] == ""  # missing is not 0


def call(*words):
    """Runs the command as its own program; its exit code and what it wrote."""
    import typer

    app = typer.Typer()
    app.command()(report)
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done


def test_the_figures_go_to_stdout_or_into_a_file(example, tmp_path):
    folder, run, rows = example
    assert call(folder, "--format", "csv").stdout == as_csv(rows)
    out = tmp_path / "figures.md"
    assert call(folder, "--format", "md", "--out", out).exit_code == 0
    assert out.read_text() == as_markdown([summarise(run, rows)])


def test_several_runs_need_a_place_for_their_page(example):
    folder, *_ = example
    done = call(folder, folder)
    assert done.exit_code != 0
    assert "--out" in str(done.exception)


def test_reading_changes_nothing_in_the_runs_folder(example, tmp_path):
    folder, *_ = example
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert call(folder, "--audio", "none", "--out", tmp_path / "page.html").exit_code == 0
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\n=1", " =1", "\uff1d1"])
def test_no_text_of_a_csv_is_a_formula(example, text):
    rows = [replace(example[2][0], fixture=text, value=-1.5, reason="=" + text, subject=None)]
    (row,) = csv.DictReader(io.StringIO(as_csv(rows), newline=""))
    assert (row["fixture"], row["reason"]) == (f"'{text}", f"'={text}")
    assert (row["value"], row["subject"]) == ("-1.5", "")
