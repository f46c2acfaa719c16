"""Gate 3, through the harness: sentences are forced into the inner monologue, and what is heard of
them is held against them.

Each sentence is a preset of its own, with the sentence as its greeting; the user is silent until it
must be over. The recogniser hears all that was heard of the agent until then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.fixtures.library import Cue, Fixture
from bench.recorded.listener import Recognise
from bench.runner.plan import Plan
from bench.runner.progress import Watcher
from bench.runner.run import execute
from bench.stats.word_errors import word_errors
from bench.store.recording import AGENT
from bench.store.store import Run, read_run
from bench.timeline.timeline import reconstruct
from pipelines.clock import ns_to_samples
from pipelines.errors import LabError
from pipelines.spec import PipelineSpec
from training.nano_duplex.gates import WordCount

SILENT_S = 9.0
"""A forced sentence is over by then."""
AT_ONCE = 4
"""So many sentences share a run: each has an agent of its own in the memory."""


def force(
    spec: PipelineSpec,
    sentences: Sequence[str],
    fixture: Fixture,
    out: Path,
    watch: Watcher,
) -> list[Path]:
    """Has a preset say sentences; returns the runs' folders.

    Raises:
        LabError: the preset can't be forced to say a text, or a run failed.
    """
    if spec.kind != "duplex":
        raise LabError(f"{spec.name}: only a duplex model can be forced to say a text.")
    first = replace(fixture.turns[0], cue=Cue("start", round(SILENT_S * 1000)))
    silent = replace(fixture, name="forced", turns=(first,))
    runs = []
    for begin in range(0, len(sentences), AT_ONCE):
        specs = tuple(
            _greeting(spec, f"{spec.name}-forced-{begin + i:03d}", sentence)
            for i, sentence in enumerate(sentences[begin : begin + AT_ONCE])
        )
        run_dir = out / f"forced-{begin // AT_ONCE:02d}"
        execute(Plan(specs, (silent,), 1), run_dir, resume=True, watch=watch)
        runs.append(run_dir)
    return runs


def _greeting(spec: PipelineSpec, name: str, sentence: str) -> PipelineSpec:
    model = replace(spec.stages["model"], greeting=sentence)
    toml = f"{spec.toml}\n# greeting = {json.dumps(sentence)}\n"
    return replace(spec, name=name, stages={**spec.stages, "model": model}, toml=toml)


def counts(run_dirs: Sequence[Path], recognise: Recognise) -> list[WordCount]:
    """The word errors of each forced sentence; one that was not heard is all wrong."""
    return [found for path in run_dirs for found in _of_run(read_run(path), recognise)]


def _of_run(run: Run, recognise: Recognise) -> list[WordCount]:
    found = []
    for trial in run.trials:
        if trial.warmup or trial.status == "error":
            continue
        wanted = run.info["presets"][trial.preset]["stages"]["model"]["greeting"]
        recording = run.recording(trial)
        timeline = reconstruct(trial, run.marks(trial.trial_id), recording)
        if recording is None or not timeline.turns:
            continue
        until = ns_to_samples(timeline.turns[0].u_on_ns - trial.t0_ns, trial.rate_hz)
        heard = recognise(np.ascontiguousarray(recording[:until, AGENT]), trial.rate_hz)
        errors = word_errors(wanted, heard)
        found.append(WordCount(errors.errors, errors.words))
    return found


def read_sentences(path: Path, most: int) -> list[str]:
    """Sentences of a text file, one a line.

    Raises:
        LabError: it can't be read, or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"--forced {path}: can't be read ({error}); give a text file.") from None
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not found:
        raise LabError(f"--forced {path}: holds no sentence; write one a line.")
    return found[:most]
