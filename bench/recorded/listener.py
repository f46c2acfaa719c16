"""A recogniser listens to a finished run: its transcript of each answer, as heard, becomes a mark.

It is the recogniser of the embedded cascade, with the same language model of the domain, so a
misheard word is not always the agent's fault: read its figures beside those of the same recogniser
on the recordings that the agent's voice was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.recompute import analyse
from bench.store.labels import FixtureLabels
from bench.store.lock import RunLock
from bench.store.recording import AGENT, Stereo
from bench.store.records import MetricRow, Trial
from bench.store.store import Run, read_run, write_info, write_trial
from bench.timeline.replies import answer_span
from bench.timeline.timeline import Timeline, Turn, reconstruct
from bench.timeline.utterances import content, content_on_ns
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, ns_to_samples
from pipelines.marks import Mark, StageEvent, stamp

MARGIN_MS = 200
"""Audio heard before and after an answer, ms."""
TRANSCRIPT: StageEvent = ("ear", "transcript")

Pcm16 = NDArray[np.int16]
Recognise = Callable[[Pcm16, int], str]
"""(samples (n,), rate in Hz) → the words."""


class Sphinx:
    """PocketSphinx, as in the cascade; each recording is decoded independently."""

    def __init__(self, sentences: Path | None = None) -> None:
        """Loads the recogniser.

        Args:
            sentences: One sentence a line, for its language model; None: the cascade's own.
        """
        from pipelines.engines.stt.pocketsphinx import PocketSphinxEngine

        self._engine = PocketSphinxEngine(sentences=str(sentences) if sentences else None)
        self._engine.load()
        self.described: Mapping[str, Any] = {
            "engine": "pocketsphinx",
            "lm": "domain",
            "sentences": sentences.name if sentences else "the cascade's",
        }
        """Its description for ``run.json``."""

    def __call__(self, pcm: Pcm16, rate_hz: int) -> str:
        """The words of a recording."""
        from pipelines.engines.stt.pocketsphinx import RATE_HZ
        from pipelines.process.engine import Emit, Request

        request = Request("listen", "utterance", {"fresh": True}, b"")
        request.feed({"last": True}, resample(pcm, rate_hz, RATE_HZ).tobytes())
        said: list[str] = []
        emit = Emit(request, lambda header, _pcm, _marks: said.append(header.get("final", "")))
        self._engine.run(request, emit)
        return said[-1]


def listen(
    run_dir: Path, recognise: Recognise, described: Mapping[str, Any]
) -> tuple[Run, list[MetricRow]]:
    """Listens to all answers of a run, marks the transcripts, and computes its metrics again.

    Marks of an earlier listening are replaced.

    Raises:
        LabError: the folder holds no run, a run writes there, or it can't be written.
    """
    with RunLock(run_dir):
        run = read_run(run_dir)
        for trial in run.trials:
            marks, recording = run.marks(trial.trial_id), run.recording(trial)
            kept = [mark for mark in marks if (mark.stage, mark.event) != TRANSCRIPT]
            new = list(transcripts(run, trial, kept, recording, recognise))
            if new or len(kept) < len(marks):
                write_trial(run_dir, trial, [*kept, *new])
        write_info(run_dir, {**run.info, "listened": dict(described)})
        return analyse(run_dir)


def _answer(timeline: Timeline, turn: Turn, labels: FixtureLabels | None) -> tuple[int, int] | None:
    """When the answer to a turn was heard, without the fillers before it."""
    span = answer_span(timeline, turn)
    found = content(timeline, turn, () if labels is None else labels.fillers)
    on_ns = content_on_ns(timeline, turn, found) if found.fillers else None
    return span if span is None or on_ns is None else (on_ns, span[1])


def transcripts(
    run: Run, trial: Trial, marks: list[Mark], recording: Stereo | None, recognise: Recognise
) -> Iterator[Mark]:
    """A mark for each turn that wants an answer; with an empty text where no answer was heard."""
    return transcripts_of(trial, marks, recording, run.labels(trial.fixture), recognise)


def transcripts_of(
    trial: Trial,
    marks: Sequence[Mark],
    recording: Stereo | None,
    labels: FixtureLabels | None,
    recognise: Recognise,
) -> Iterator[Mark]:
    """As `transcripts`, for a trial that is in no run yet."""
    timeline = reconstruct(trial, marks, recording)
    for number in range(trial.turns):
        wanted = labels.of(number) if labels is not None else None
        if wanted is not None and not wanted.expect.respond:
            continue
        turn = timeline.turn(number)
        span = None if turn is None else _answer(timeline, turn, labels)
        t_ns, heard = trial.t0_ns if turn is None else turn.u_off_ns, ""
        if span is not None and recording is not None:
            t_ns = span[0]
            start, end = (ns_to_samples(t - trial.t0_ns, trial.rate_hz) for t in span)
            edge = ns_to_samples(MARGIN_MS * NS_PER_MS, trial.rate_hz)
            pcm = np.ascontiguousarray(recording[max(0, start - edge) : end + edge, AGENT])
            heard = recognise(pcm, trial.rate_hz)
        yield stamp(*TRANSCRIPT, t_ns=t_ns, turn=number, text=heard)
