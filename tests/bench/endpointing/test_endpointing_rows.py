"""Turns and predictions in eot-bench's columns: what is read, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from bench.endpointing import predictions
from bench.endpointing.predictions import Prediction
from bench.endpointing.rows import read_rows, write_rows
from bench.endpointing.turns import Silence, UserTurn, turns_of
from bench.fixtures.library import fixtures_root, load
from pipelines.errors import LabError

TONE = (8000 * np.sin(np.arange(16000) / 10)).astype(np.int16)
TURN = UserTurn("t1", "en", TONE, (Silence(0.2, 0.4), Silence(0.7, 1.0)))


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def row(**changed: Any) -> dict[str, Any]:
    sound = io.BytesIO()
    soundfile.write(sound, TONE, 16000, format="WAV")
    return {
        "id": "t1",
        "language": "en",
        "audio": {"bytes": sound.getvalue(), "path": "t1.wav"},
        "silence_spans": [{"start": 0.2, "end": 0.4}, {"start": 0.7, "end": 1.0}],
        "words": [
            {"word": "go", "start": 0.0, "end": 0.2},
            {"word": "on", "start": 0.4, "end": 0.7},
        ],
        "messages": [{"role": "assistant", "content": "yes?"}],
        **changed,
    }


def test_turns_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", [TURN])
    (found,) = read_rows(tmp_path / "rows.parquet")
    assert np.array_equal(found.pcm, TONE)
    assert (found.id, found.language, found.silences) == ("t1", "en", TURN.silences)


def test_a_row_with_words_and_messages_is_a_turn_with_its_text(tmp_path: Path) -> None:
    (found,) = read_rows(parquet(tmp_path / "rows.parquet", [row()]))
    assert found.text == "go on"
    assert np.array_equal(found.pcm, TONE)
    assert found.end_s == 0.7


def test_samples_of_another_rate_are_resampled(tmp_path: Path) -> None:
    audio = {"array": (TONE / 32768).tolist(), "sampling_rate": 8000}
    spans = [{"start": 1.5, "end": 2.0}]
    (found,) = read_rows(
        parquet(tmp_path / "rows.parquet", [row(audio=audio, silence_spans=spans)])
    )
    assert len(found.pcm) == 32000


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"silence_spans": []}, "is empty"),
        ({"silence_spans": [{"start": 0.7, "end": 0.2}]}, "not in order"),
        ({"silence_spans": [{"start": 0.7, "end": 9.0}]}, "after the audio"),
        ({"audio": {"bytes": b"no sound", "path": "x"}}, "can't be decoded"),
        ({"audio": {"bytes": b"", "path": "x"}}, "'bytes', or 'array'"),
    ],
)
def test_a_row_that_is_not_right_is_refused(
    tmp_path: Path, changed: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(LabError, match=sentence):
        list(read_rows(parquet(tmp_path / "rows.parquet", [row(**changed)])))


def test_a_file_without_a_column_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="'silence_spans' is missing"):
        list(read_rows(parquet(tmp_path / "a.parquet", [{"id": "a", "language": "", "audio": ""}])))
    (tmp_path / "b.parquet").write_text("no table")
    with pytest.raises(LabError, match="can't be read as Parquet"):
        list(read_rows(tmp_path / "b.parquet"))


def test_two_turns_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="two turns have the id 't1'"):
        list(read_rows(parquet(tmp_path / "rows.parquet", [row(), row()])))


SAID = Prediction("t1", "en", 0, 0.3, 0.1, 0.25, "hold")


def test_predictions_come_back_with_what_is_said_about_them(tmp_path: Path) -> None:
    predictions.write(tmp_path / "p.parquet", [SAID], {"method": "vad"})
    rows, about = predictions.read(tmp_path / "p.parquet")
    assert (rows, about) == ([SAID], {"method": "vad"})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"p_eot": 1.5}, "p_eot = 1.5 must be 0 to 1"),
        ({"label": "end"}, "must be 'hold' or 'eot'"),
        ({"silence_dur": -0.1}, "must be ≥ 0 s"),
        ({"p_eot": None}, "is not of the right type"),
    ],
)
def test_a_prediction_that_is_not_right_is_refused(
    tmp_path: Path, changed: dict[str, Any], sentence: str
) -> None:
    said = {"id": "t1", "span_index": 0, "silence_dur": 0.1, "p_eot": 0.2, "label": "hold"}
    with pytest.raises(LabError, match=sentence):
        predictions.read(parquet(tmp_path / "p.parquet", [{**said, **changed}]))


def test_a_fixtures_pauses_are_silences_between_its_audible_limits() -> None:
    fixture = load(fixtures_root() / "hes_cup_table.toml")
    (turn,) = turns_of([fixture, fixture])
    before = 4000  # 250 ms
    pause, end = turn.silences
    assert (pause.start_s, pause.end_s) == ((before + 17622) / 16000, (before + 28160) / 16000)
    assert end.start_s == turn.end_s == (before + 39373) / 16000
    assert end.length_s == pytest.approx(3.6, abs=0.011)
    assert not turn.pcm[:before].any()
