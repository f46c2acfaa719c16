"""The columns of a run's tables: each is asked for by the row of its metric, and nowhere else."""

from pathlib import Path

import pytest

from bench.metrics import compute as computing
from bench.metrics import table
from bench.metrics.metric import Figure, Headline, Metric
from bench.metrics.reading import TrialReading
from bench.report.text.table import blocks
from bench.simulated.turns import write_example_run
from bench.store.store import read_run
from bench.summary.headlines import columns, figure_key
from bench.summary.summary import summarise


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("quality", ["CPU s/min", "RSS MB", "underrun ms", "mouth worst p99", "loop worst p99"]),
        (
            "frames",
            ["service p50", "service p99", "rtf", "headroom", "encode", "step", "decode"],
        ),
        (
            "conversation",
            [
                "frame latency p50",
                "p99",
                "added p50",
                "p99",
                "miss %",
                "B=80 miss %",
                "backlog max",
                "drift ms/s",
            ],
        ),
    ],
)
def test_the_columns_of_a_table_stand_in_their_places(name: str, heads: list[str]) -> None:
    found = [column.head for column in columns(name)]
    assert [head for head in found if head in heads] == heads  # a new one may stand between


def test_no_two_columns_of_a_table_ask_for_the_same_place() -> None:
    asked = [(m.headline.table, m.headline.place) for m in table.METRICS if m.headline is not None]
    assert len(asked) == len(set(asked))


def test_a_figure_is_named_by_its_metric_and_subject() -> None:
    assert figure_key("rtf") == "rtf"
    assert figure_key("stage_p50", "step") == "stage_p50[step]"


def trial_seconds(reading: TrialReading) -> list[Figure]:
    return [Figure(reading.trial.audio_s)]


def test_a_new_metric_is_one_function_and_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Metric(
        21,
        "audio_s",
        "",
        "harness",
        "length of the recording",
        trial_seconds,
        headline=Headline("quality", 9, {None: "audio s"}, ".2f", "sum"),
    )
    monkeypatch.setattr(computing, "OF_TRIAL", (*computing.OF_TRIAL, (new, trial_seconds)))
    monkeypatch.setattr("bench.summary.headlines.METRICS", (*table.METRICS, new))
    write_example_run(tmp_path, trials=2)
    run = read_run(tmp_path)
    (quality,) = (
        block
        for block in blocks(summarise(run, computing.compute(run)))
        if block.title == "Quality and cost"
    )
    assert quality.header[-1] == "audio s"
    spoken = sum(t.audio_s for t in run.trials if t.preset == quality.rows[0][0] and not t.warmup)
    assert quality.rows[0][-1] == f"{spoken:.2f}"
