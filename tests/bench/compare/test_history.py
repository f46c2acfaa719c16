"""A metric over many runs: points with known medians, and a sentence for each folder left out."""

import json
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import bench.cli.main
from bench.compare.history import read_history
from bench.report.plots.history import draw_history, png_of
from bench.store.records import MetricRow
from bench.store.store import write_info, write_metrics
from pipelines.errors import LabError


def row(preset, fixture, value, *, metric="voice_to_voice", valid=True, subject=None, **more):
    of: dict[str, Any] = {
        "repeat": 0,
        "warmup": False,
        "turn": 0,
        "unit": "ms",
        "weights": "trained",
    } | more
    return MetricRow(
        run_id="r",
        trial_id=f"{preset}.{fixture}.{of['repeat']}",
        preset=preset,
        fixture=fixture,
        metric=metric,
        subject=subject,
        value=value,
        valid=valid,
        reason=None if valid else "mouth late",
        **of,
    )


def write(folder, rows, **info):
    write_metrics(folder, rows)
    write_info(folder, info)


@pytest.fixture
def root(tmp_path):
    """Three runs: 25 turns of 100, 102, … ms; the same 50 ms slower; and one of two turns."""
    base = [row("a", f"f{i:02d}", 100.0 + 2 * i) for i in range(25)]
    base += [row("a", "f00", 9000.0, warmup=True), row("a", "f00", None, valid=False, repeat=1)]
    base += [row("b", "f00", 7.0, valid=False), row("a", "f00", 1.0, metric="endpointing_delay")]
    write(tmp_path / "one", base, created_utc="2026-01-01T02:00:00+00:00")
    slower = [row("a", f"f{i:02d}", 150.0 + 2 * i) for i in range(25)]
    write(tmp_path / "two", slower, created_utc="2026-01-03T02:00:00+00:00")
    write(tmp_path / "20260102-030000-x", [row("a", "f00", 10.0), row("a", "f01", 20.0)])
    return tmp_path


def test_each_run_is_a_point_with_its_interval_by_date(root):
    found = read_history(root, "voice_to_voice", preset="a")
    assert [p.date[:10] for p in found.points] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert [p.p50.value for p in found.points] == [124, 15, 174]
    assert [p.p50.n for p in found.points] == [25, 2, 25]
    # Order statistics of 25 values: the 8th from either end.
    assert (found.points[0].p50.low, found.points[0].p50.high) == (114, 134)
    assert found.points[1].p50.insufficient == "insufficient n (2, 20)"
    assert [p.invalid for p in found.points] == [1, 0, 0]
    assert (found.unit, found.skipped) == ("ms", ())


def test_a_preset_of_which_nothing_is_valid_has_a_point_without_a_value(root):
    (point,) = read_history(root, "voice_to_voice", preset="b").points
    assert (point.p50.value, point.p50.n, point.invalid) == (None, 0, 1)


def test_repeats_of_a_turn_count_once(tmp_path):
    rows = [row("a", "f", v, repeat=i) for i, v in enumerate([10.0, 20.0, 90.0])]
    write(tmp_path / "run", [*rows, row("a", "g", 40.0)])
    (point,) = read_history(tmp_path, "voice_to_voice").points
    assert (point.p50.value, point.p50.n) == (30, 2)


def test_only_what_began_since_a_day_is_shown(root):
    found = read_history(root, "voice_to_voice", since="2026-01-02", preset="a")
    assert [p.run for p in found.points] == ["20260102-030000-x", "two"]


def test_a_model_is_a_line_of_its_own(tmp_path):
    rows = [row("a", "f", 5.0, metric="cold_load", subject=s, turn=-1) for s in ("stt", "tts")]
    write(tmp_path / "run", rows)
    found = read_history(tmp_path, "cold_load")
    assert {p.subject for p in found.points} == {"stt", "tts"}


def test_of_a_sweep_the_runs_are_listed_and_not_its_shards(root):
    (root / "sweep.json").write_text("{}")
    (root / "shards").mkdir()
    write(root / "evening.lte", [row("a", "f", 1.0)], created_utc="2026-12-01T00:00:00+00:00")
    found = read_history(root, "voice_to_voice")
    assert "evening.lte" in {point.run for point in found.points} and not found.skipped


def test_what_can_not_be_read_is_skipped_with_a_sentence(root):
    (root / "no-metrics").mkdir()
    (root / "evening").mkdir()
    (root / "evening" / "sweep.json").write_text("{}")
    write(root / "broken", [row("a", "f", 1.0)])
    path = root / "broken" / "metrics.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    write(root / "sample", [row("a", "f", 1.0)], sample={"of": "one"})
    write(root / "bad-json", [row("a", "f", 1.0)])
    (root / "bad-json" / "run.json").write_text("{")
    found = read_history(root, "voice_to_voice", preset="a")
    assert len(found.points) == 3
    assert len(found.skipped) == 5
    sweep = f"{root / 'evening'}: a sweep, whose runs are listed by --root {root / 'evening'}"
    for words in (sweep, "the file is damaged", "the file is missing", "a sample of another run"):
        assert any(words in sentence for sentence in found.skipped), words


def test_an_unknown_metric_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(
        LabError, match=r"no metric 'voice_to_voise'; did you mean 'voice_to_voice' or"
    ):
        read_history(tmp_path, "voice_to_voise")
    with pytest.raises(LabError, match="there is no such folder"):
        read_history(tmp_path / "nowhere", "voice_to_voice")


def test_the_picture_has_a_line_per_preset_and_an_interval_where_there_is_one(root):
    (axes,) = draw_history(read_history(root, "voice_to_voice", preset="a")).axes
    assert axes.get_ylabel() == "voice_to_voice, p50, ms"
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == [124, 15, 174]
    assert len(axes.collections) == 2  # two of three runs have an interval
    assert png_of(read_history(root, "voice_to_voice")).startswith(b"\x89PNG")


def invoke(*words):
    return CliRunner().invoke(bench.cli.main.app, ["history", *words], env={"COLUMNS": "160"})


def test_the_command_prints_a_line_per_run_and_draws(root, tmp_path):
    out = tmp_path / "drawn" / "history.png"
    done = invoke("voice_to_voice", "--root", str(root), "--preset", "a", "--out", str(out))
    assert done.exit_code == 0, done.output
    line = next(line for line in done.output.splitlines() if "2026-01-01" in line)
    assert line.split()[:4] == ["2026-01-01", "one", "a", "124.0"]
    assert "114.0 – 134.0" in line
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_day_that_is_none_and_an_empty_answer_are_reported(root):
    for words, sentence in (
        (["--since", "monday"], "a day is needed"),
        (["--preset", "nobody"], "no run in it has voice_to_voice"),
    ):
        done = invoke("voice_to_voice", "--root", str(root), *words)
        assert isinstance(done.exception, LabError)
        assert sentence in str(done.exception)


def test_json_of_another_kind_is_no_reason_to_crash(tmp_path):
    write_metrics(tmp_path / "run", [row("a", "f", 1.0)])
    (tmp_path / "run" / "run.json").write_text(json.dumps(["a list"]))
    assert "an object is needed" in read_history(tmp_path, "voice_to_voice").skipped[0]
