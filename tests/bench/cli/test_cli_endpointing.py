"""``duplex-lab endpointing``: from turns to tables, a file and a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.endpointing import predictions
from bench.endpointing.predictions import Prediction
from bench.simulated.turn_taking import TurnTakingPlan, write_example_turn_taking_run
from bench.simulated.turns import TurnPlan, labels_of, trial_of
from bench.store import store
from bench.store.store import save_recording
from pipelines.errors import LabError

RUNNER = CliRunner()
SAMPLE = "results/sample"


def run(*arguments: str) -> str:
    result = RUNNER.invoke(app, ["endpointing", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A pause of 0.5 s and an end; the estimate passes 0.5 after 0.4 s of the end alone."""
    rows = [Prediction("t", "en", 0, k / 10, k / 10, 0.1, "hold") for k in range(6)]
    rows += [
        Prediction("t", "en", 1, k / 10, k / 10, 0.1 + 0.8 * (k > 3), "eot") for k in range(40)
    ]
    path = tmp_path / "mine" / "predictions.parquet"
    predictions.write(path, rows, {})
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rows", "none.parquet"), "none.parquet: there is no such file."),
        (("--predictions", "none.parquet"), "none.parquet: there is no such file."),
        (("--rows", "x.parquet", "--fixtures", "all"), "--rows stands in place of the fixtures"),
        (("--figure", "no/such/x.svg"), "--figure no/such/x.svg: there is no folder no/such."),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_computed(
    arguments: tuple[str, ...], said: str
) -> None:
    result = RUNNER.invoke(app, ["endpointing", "vad-200", *arguments])
    assert isinstance(result.exception, LabError) and said in str(result.exception)


def test_a_folder_that_can_not_be_made_is_refused_before_anything_is_computed(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    arguments = ["vad-200", "--fixtures", "hes_*", "--out", str(tmp_path / "file" / "kept")]
    result = RUNNER.invoke(app, ["endpointing", *arguments])
    assert isinstance(result.exception, LabError)
    assert "no such folder can be made: Not a directory." in str(result.exception)


def test_a_file_of_predictions_is_scored_to_the_operating_points(given: Path) -> None:
    found = json.loads(run("--predictions", str(given), "--format", "json"))
    at = {(r["method"], r["budget"]): r for r in found}
    mine = at["mine", "latency at 5% cut-offs"]
    assert (mine["cut_offs"], mine["latency_ms"]) == (0.0, pytest.approx(400))
    alone = at["silence alone", "latency at 5% cut-offs"]
    assert (alone["cut_offs"], alone["latency_ms"]) == (0.0, pytest.approx(500))
    assert at["mine", "cut-offs at 300 ms"]["cut_offs"] == 100.0, "only cutting all is so fast"


def test_a_detector_of_voice_cuts_a_pause_of_600_ms_at_200_and_not_at_a_patience_of_700(
    tmp_path: Path,
) -> None:
    patient = tmp_path / "patient.toml"
    text = Path("pipelines/presets/cascade-vad-600ms.toml").read_text(encoding="utf-8")
    patient.write_text(text.replace("speech_timeout_secs = 0.6", "speech_timeout_secs = 0.7"))
    picture = tmp_path / "curve.svg"
    out = run(
        "vad-200", str(patient), "--fixtures", "hes_cup_table", "--format", "json",
        "--out", str(tmp_path / "kept"), "--figure", str(picture),
    )  # fmt: skip
    quick, slow = json.loads(out)["as_heard"]
    assert (quick["method"], quick["cut_offs"], quick["pauses"]) == ("vad-200", 100.0, 1)
    assert (slow["method"], slow["cut_offs"]) == ("patient", 0.0)
    assert 700 <= slow["decided_p50_ms"] - quick["decided_p50_ms"] < 740
    assert quick["wait_p50_ms"] >= quick["decided_p50_ms"]
    assert picture.read_text(encoding="utf-8").startswith("<?xml")
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == [
        "patient.decided.json",
        "patient.predictions.parquet",
        "vad-200.decided.json",
        "vad-200.predictions.parquet",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody"], "There is no preset 'nobody'"),
        (["duplex-nano"], "only a cascade says"),
        (["vad-200", "--fixtures", "cmd_stop"], "no turn has a pause"),
        (["vad-200", "--figure", "curve.pdf"], "must end with .png or .svg"),
    ],
)
def test_what_can_not_be_judged_is_refused(arguments: list[str], sentence: str) -> None:
    result = RUNNER.invoke(app, ["endpointing", *arguments])
    assert result.exit_code != 0
    assert sentence in str(result.exception)


def test_a_kept_run_says_what_its_whole_agents_made_of_it(tmp_path: Path) -> None:
    late = replace(
        TurnTakingPlan(), asks=(500, 3000), speaks=(7000, 8000), reply=(3500, 4350), then=None
    )
    three = replace(late, pauses=((700, 900), (1000, 1500), (2000, 2600)))
    early = replace(late, pauses=((1000, 1500),), reply=(1200, 1700))
    write_example_turn_taking_run(tmp_path, (three, early))
    (row,) = json.loads(run("--run", str(tmp_path), "--format", "json"))
    assert (row["preset"], row["cut_offs"], row["pauses"]) == ("example", 25.0, 4)


def test_its_waits_hold_all_that_the_agents_took(tmp_path: Path) -> None:
    fixtures = {}
    for i, late_ms in enumerate((0.0, 100.0, 600.0)):
        plan = TurnPlan(write_ms=343.0 + late_ms, heard_ms=344.0 + late_ms, leading_ms=40.0)
        trial, marks, pcm = trial_of([plan], preset="p", fixture=f"f{i}")
        path = save_recording(tmp_path, trial.trial_id, pcm, trial.rate_hz)
        store.write_trial(tmp_path, replace(trial, recording=path), marks)
        fixtures[f"f{i}"] = labels_of(f"f{i}", [plan]).to_dict()
    store.write_info(tmp_path, {"fixtures": fixtures})
    (row,) = json.loads(run("--run", str(tmp_path), "--format", "json"))
    assert row["heard_p50_ms"] == pytest.approx(484, abs=2)
    assert row["slowest_ms"] == pytest.approx(984, abs=2)
    assert row["decided_p50_ms"] == pytest.approx(250, abs=2)
    assert (row["turns"], row["unanswered"], row["right"]) == (3, 0, 100.0)


def test_a_run_stands_beside_methods_and_draws_no_curve_by_itself(tmp_path: Path) -> None:
    result = RUNNER.invoke(
        app, ["endpointing", "--run", SAMPLE, "--figure", str(tmp_path / "a.svg")]
    )
    assert isinstance(result.exception, LabError)
    assert "no curve" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_run_is_said_to_be_none(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["endpointing", "--run", str(tmp_path)])
    assert isinstance(result.exception, LabError)
    assert str(tmp_path) in str(result.exception)
