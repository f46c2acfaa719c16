"""A trial that is a sample of Full-Duplex-Bench: what its scripts read of it, from the marks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from bench.timeline.full_duplex_bench.v1 import Stretch, Word
from bench.timeline.timeline import Timeline
from pipelines.clock import NS_PER_S
from pipelines.marks import Mark

Version = Literal["v1", "v1.5"]
"""Versions of the benchmark."""
OUTPUT = "output"
"""Annotation that is no label: how long ``output.wav`` is."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample. Times in s from its start."""

    version: str
    """One of `Version`."""
    task: str
    """The task, as the benchmark names it."""
    words: tuple[Word, ...] | None
    """The agent's words; None: there is no ``output.json``."""
    user: tuple[Stretch, ...]
    """Stretches in which the user speaks, by the scripts' own detector."""
    agent: tuple[Stretch, ...]
    """The same of the agent."""
    labels: tuple[Stretch, ...]
    """The labels that came with the sample."""
    output_s: float
    """Length of ``output.wav``."""
    people: tuple[float, ...]
    """People's timing of backchannels to the sample; empty: it is not at hand."""


def sample_of(timeline: Timeline) -> Sample | None:
    """The sample that a trial is; None if it is none."""
    task = next(iter(timeline.all("given", "task")), None)
    if task is None:
        return None
    t0_ns = timeline.trial.t0_ns

    def at(mark: Mark) -> Stretch:
        start_s = (mark.t_ns - t0_ns) / NS_PER_S
        return start_s, start_s if mark.value is None else mark.value

    def word(mark: Mark) -> Word:
        return Word((mark.t_ns - t0_ns) / NS_PER_S, mark.value)

    version, _, name = (task.text or "").partition(" ")
    words = [m for m in timeline.all("given", "word") if m.request_id == "agent"]
    stretches = timeline.all("given", "stretch")
    annotated = timeline.all("given", "annotation")
    timing = next(iter(timeline.all("given", "distribution")), None)
    return Sample(
        version=version,
        task=name,
        words=None if task.value is None else tuple(map(word, words)),
        user=tuple(at(m) for m in stretches if m.request_id == "user"),
        agent=tuple(at(m) for m in stretches if m.request_id == "agent"),
        labels=tuple(at(m) for m in annotated if m.text != OUTPUT),
        output_s=sum(m.value or 0.0 for m in annotated if m.text == OUTPUT),
        people=() if timing is None else tuple(json.loads(timing.text or "[]")),
    )
