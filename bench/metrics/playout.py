"""Underruns: silence inside the agent's speech, where the ear's buffer was empty (13)."""

from __future__ import annotations

from bench.metrics.metric import Figure, Headline, Metric, in_ms
from bench.metrics.reading import TrialReading
from bench.timeline.playout import agent_speech_ns
from pipelines.clock import NS_PER_S

NO_SPEECH = "the agent said nothing"


def underruns(reading: TrialReading) -> list[Figure]:
    """Counts the underruns per minute of the agent's speech."""
    speech_ns = agent_speech_ns(reading.timeline)
    if speech_ns == 0:
        return [Figure(None, NO_SPEECH)]
    return [Figure(len(reading.underruns_ns) / (speech_ns / NS_PER_S / 60))]


def underrun_ms(reading: TrialReading) -> list[Figure]:
    """Measures the silence of all underruns together."""
    if agent_speech_ns(reading.timeline) == 0:
        return [Figure(None, NO_SPEECH)]
    return [Figure(in_ms(sum(reading.underruns_ns)))]


ROWS = (
    Metric(
        13,
        "underruns",
        "1/min",
        "playout",
        "underruns inside the agent's speech, per minute of it: the ear's buffer was empty",
        underruns,
    ),
    Metric(
        13,
        "underrun_ms",
        "ms",
        "playout",
        "how long they lasted in all",
        underrun_ms,
        headline=Headline("quality", 3, {None: "underrun ms"}, over="sum"),
        line="underruns",
    ),
)
"""The rows, in the order in which they are stored."""
