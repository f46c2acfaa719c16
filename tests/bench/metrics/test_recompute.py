"""A run's metrics and causes by several processes are those of one."""

import os
from pathlib import Path

import pytest

from bench.metrics import recompute
from bench.metrics.compute import compute
from bench.metrics.recompute import compute_run
from bench.simulated.turns import write_example_run
from bench.store.atomic import StoreError
from bench.store.store import read_run
from pipelines.errors import LabError

TRIALS = 8
"""Of each of its three presets."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that two processes share."""
    path = tmp_path_factory.mktemp("parallel")
    write_example_run(path, trials=TRIALS)
    return path


def test_the_rows_are_the_same_in_the_same_order(folder: Path) -> None:
    run = read_run(folder)
    assert len(run.trials) == 3 * TRIALS > recompute.CHUNK_TRIALS
    found, alone = compute_run(run, processes=2), compute_run(run, processes=1)
    assert [repr(row) for row in found.metrics] == [repr(row) for row in compute(run)]
    assert found.causes == alone.causes
    assert len([row for row in found.causes if row.cause == "vad_stop_secs"]) > 2 * TRIALS


def test_what_can_not_be_read_is_the_same_sentence(tmp_path: Path) -> None:
    write_example_run(tmp_path, trials=1)
    run = read_run(tmp_path)
    (tmp_path / str(run.trials[-1].recording)).unlink()
    sentences = []
    for processes in (1, 2):
        with pytest.raises(StoreError) as told:
            compute_run(run, processes)
        sentences.append(str(told.value))
    assert sentences[0] == sentences[1]
    assert "the recording is missing" in sentences[0]


def killed(_: object) -> None:
    """What the system does to a process when the memory is full."""
    os._exit(9)


def test_a_process_that_is_killed_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompute, "_columns_of", killed)
    with pytest.raises(LabError, match=r"was killed .* try again"):
        compute_run(read_run(folder), processes=2)


def test_only_a_large_run_is_worth_the_start_of_processes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(folder)
    monkeypatch.setattr(recompute, "_cores", lambda: 64)
    assert recompute._processes(run) == 1
    monkeypatch.setattr(recompute, "LARGE_RUN_MARKS", 1000)
    assert recompute._processes(run) == recompute.MAX_PROCESSES
    monkeypatch.setattr(recompute, "_cores", lambda: 1)
    assert recompute._processes(run) == 1
