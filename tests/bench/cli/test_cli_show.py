"""``duplex-lab show`` on runs on disk: what it prints first, and what on request."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.metrics.recompute import analyse
from bench.report.text.causes import HEADER as CAUSES
from bench.report.text.first_look.explain import MEANINGS
from bench.report.text.first_look.trials import not_well, trials
from bench.report.text.first_token import first_token_blocks, first_tokens
from bench.report.text.table import blocks
from bench.report.text.table_read_back import HEADER as READ_BACK
from bench.simulated.frames import write_example_duplex
from bench.simulated.turns import write_example_run
from bench.store.store import read_info, read_metrics, read_run, write_info
from bench.summary.summary import summarise


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three cascades and three duplex presets."""
    folder = tmp_path_factory.mktemp("runs") / "both"
    write_example_run(folder, trials=24)
    write_example_duplex(folder, short=1)
    analyse(folder)
    return folder


def shown(*words: object, width: int | None = None) -> str:
    environment = {"COLUMNS": "" if width is None else str(width)}
    done = CliRunner().invoke(app, ["show", *map(str, words)], env=environment)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_run_is_its_headline_and_its_slowest_trials(run: Path) -> None:
    lines = shown(run).splitlines()
    assert (
        lines[0] == "Voice to voice, as heard: ms from the user's last sound to the agent's first"
    )
    assert lines[1].split() == [
        "preset", "p50", "[95", "%]", "max", ">", "1", "s", "largest", "stage", "answered", "right",
    ]  # fmt: skip
    first = lines.index("Trials, the slowest first (ms)")
    listed = [line.split() for line in lines[first + 3 : first + 13]]
    slowest = [float(words[1]) for words in listed if words[1] != "–"]
    assert len(listed) == 10
    assert slowest == sorted(slowest, reverse=True)
    assert "Frame by frame" not in "\n".join(lines)
    # Lines are broken between words, so where depends on how long the folder's path is.
    assert f"duplex-lab show {run} --all" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("width", [80, 100, 200, None])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_broken(
    run: Path, width: int | None
) -> None:
    for words in ((run,), (run, "--all"), (run, "--frames")):
        lines = shown(*words, width=width).splitlines()
        # A path is one word: it may be longer than a line.
        assert not [line for line in lines if width and len(line) > width and str(run) not in line]
        names = {t.preset for t in read_run(run).trials}
        assert all(any(line.startswith(name) for line in lines) for name in names)


def test_all_figures_and_all_trials_come_on_request(run: Path) -> None:
    text = shown(run, "--all")
    for title in ("Where the milliseconds go", "Quality and cost", "Frame by frame"):
        assert title in text
    listed = text.split("Trials, the slowest first (ms)\n")[1].splitlines()[2:]
    assert {line.split()[0] for line in listed} == {t.trial_id for t in read_run(run).trials}


def test_trials_without_a_figure_stand_below_the_slowest_and_are_named_by_how_they_ended(
    run: Path,
) -> None:
    rows, found = read_metrics(run), list(read_run(run).trials)
    heard = {row["trial"] for row in trials(found, rows, None).rows if row["slowest_ms"]}
    found = [trial for trial in found if trial.trial_id in heard]
    bad = [("mute", "no_answer"), ("late.0", "ruler_late"), ("late.1", "ruler_late")]
    found = [replace(found[0], trial_id=name, status=status) for name, status in bad] + found  # type: ignore[arg-type]
    whole = trials(found, rows, None)
    slowest = [row["slowest_ms"] for row in whole.rows]
    last = slowest.index(None)
    assert slowest[:last] == sorted(slowest[:last], reverse=True)
    assert [row["trial"] for row in whole.rows[last : last + 3]] == ["mute", "late.0", "late.1"]
    assert not_well(found, whole) == ""
    assert not_well(found, trials(found, rows, last)) == (
        "Not listed, by how they ended: no_answer 1 (mute); ruler_late 2 (late.0, …)."
    )


def test_frames_come_on_request_and_a_run_without_says_so(run: Path, tmp_path: Path) -> None:
    assert "Frame by frame (ms, budget 80" in shown(run, "--frames")
    write_example_run(tmp_path / "cascades", trials=2)
    analyse(tmp_path / "cascades")
    assert "No preset of this run has frames." in shown(tmp_path / "cascades", "--frames")


def test_a_trials_frames_are_left_out_unless_they_are_asked_for(run: Path) -> None:
    trial = next(t for t in read_run(run).trials if t.preset == "duplex-scripted-60ms")
    short, whole = (shown(run / trial.trial_id, *words) for words in ((), ("--frames",)))
    assert "duplex.frame_in" in whole
    assert "duplex.frame_in" not in short


def test_the_headline_comes_as_data(run: Path) -> None:
    rows = json.loads(shown(run, "--format", "json"))
    summary = summarise(read_run(run), read_metrics(run))
    assert [row["preset"] for row in rows] == [p.preset for p in summary.presets]
    assert [row["p50_ms"] for row in rows] == [p.p50.value for p in summary.presets]
    table = list(csv.DictReader(io.StringIO(shown(run, "--format", "csv"))))
    assert [row["turns"] for row in table] == [str(p.p50.n) for p in summary.presets]
    assert shown(run, "--format", "md").splitlines()[2].startswith("| preset | p50 [95 %] |")
    whole = json.loads(shown(run, "--all", "--format", "json"))["runs"][0]
    assert whole["presets"][0]["slowest_ms"] == summary.presets[0].slowest_ms


def test_labels_that_nobody_checked_are_said_below_markdown_too(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    info = read_info(copy)
    for labels in info["fixtures"].values():
        labels["labels"] = "vad"
    write_info(copy, info)
    told = f"labels proposed, not checked: {len(info['fixtures'])} fixtures"
    assert shown(copy, "--format", "md").count(told) == 1


def test_every_column_is_explained(run: Path) -> None:
    found, rows = read_run(run), read_metrics(run)
    summary = summarise(found, rows)
    tables = [*blocks(summary), *first_token_blocks(first_tokens(rows))]
    tables.append(trials(found.trials, rows).block())
    heads = {head for table in tables for head in table.header} | {*CAUSES, *READ_BACK}
    assert heads <= set(MEANINGS)
    said = shown("--explain", width=80)
    assert "\nvs log: What was heard minus what the agent's own event log says, ms" in said
    assert max(map(len, said.splitlines())) <= 80


def test_tables_are_read_by_no_thread_that_could_end_after_python(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a thread aborts the process (exit code 134) in one of five tries; see `open_table`."""
    from pyarrow.parquet import ParquetFile

    real, told = ParquetFile.read, []

    def read(*args: object, **more: object) -> object:
        told.append(more.get("use_threads"))
        return real(*args, **more)

    monkeypatch.setattr(ParquetFile, "read", read)
    shown(run, "--all")
    done = CliRunner().invoke(app, ["show", str(run / "nope")])
    assert "there is no trial 'nope'" in str(done.exception)
    assert len(told) > 4
    assert set(told) == {False}


def test_an_unknown_run_is_a_sentence() -> None:
    done = CliRunner().invoke(app, ["show", "no-such-run"])
    assert done.exit_code != 0
    assert "no-such-run: there is no such run" in str(done.exception)
