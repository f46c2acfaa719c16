"""What an agent costs: capacity, work, memory, energy, starts; what measuring takes (19, 20)."""

from __future__ import annotations

from bench.metrics.metric import Effect, Figure, Headline, Metric, TrialMeasure, Unit, in_ms
from bench.metrics.reading import TrialReading
from pipelines.marks import EventName


def cpu_s_per_audio_min(reading: TrialReading) -> list[Figure]:
    """CPU time of the agent's process tree per minute of the trial."""
    trial = reading.trial
    if trial.cpu_agent_s is None or trial.audio_s <= 0:
        return [Figure(None, "the agent's CPU time was not read")]
    return [Figure(trial.cpu_agent_s / (trial.audio_s / 60))]


def rss_peak_mb(reading: TrialReading) -> list[Figure]:
    """Peak memory of the agent's process tree."""
    value = reading.trial.rss_agent_peak_mb
    return [Figure(value, None if value is not None else "the agent's memory was not read")]


def caller_cpu_percent(reading: TrialReading) -> list[Figure]:
    """CPU time of the caller's process per time of the trial: measuring's share of a core."""
    trial = reading.trial
    if trial.cpu_caller_s is None or trial.wall_s <= 0:
        return [Figure(None, "the caller's CPU time was not read")]
    return [Figure(100 * trial.cpu_caller_s / trial.wall_s)]


def caller_rss_mb(reading: TrialReading) -> list[Figure]:
    """Peak memory of the caller's process."""
    value = reading.trial.rss_caller_peak_mb
    return [Figure(value, None if value is not None else "the caller's memory was not read")]


def joules(reading: TrialReading) -> list[Figure]:
    """Energy: null until a counter is read."""
    return [Figure(None, "no energy counter (RAPL, NVML) is read")]


def cold_start(start: EventName, end: EventName) -> TrialMeasure:
    """Makes the measure of the time between two ``agent.*`` marks, per model.

    Gives nothing in a trial in which no model was started: which is most of them.
    """

    def measure(reading: TrialReading) -> list[Figure]:
        begun: dict[str, int] = {}
        readings: list[Figure] = []
        if not reading.timeline.all("agent", end):
            return readings
        for mark in reading.timeline.marks:
            if mark.stage != "agent" or mark.text is None:
                continue
            if mark.event == start:
                begun[mark.text] = mark.t_ns
            elif mark.event == end and mark.text in begun:
                took = in_ms(mark.t_ns - begun.pop(mark.text))
                readings.append(Figure(took, subject=mark.text))
        return readings

    return measure


def capacity(_: TrialReading) -> list[Figure]:
    """Finds nothing yet: it needs several conversations at the same time."""
    return [Figure(None, "not measured: a run plays one conversation at a time")]


def _row(name: str, unit: Unit, description: str, on_trial: TrialMeasure) -> Metric:
    return Metric(20, name, unit, "machine", description, on_trial)


def _caller(name: str, unit: Unit, description: str, on_trial: TrialMeasure) -> Metric:
    return Metric(20, name, unit, "harness", description, on_trial)


_COMPARED = Effect("ratio", 0.05)

ROWS = (
    Metric(
        19,
        "capacity",
        "sessions",
        "machine",
        "largest N whose upper bound meets the SLO, open-loop arrivals",
        capacity,
    ),
    Metric(
        20,
        "cpu_s_per_audio_min",
        "s/min",
        "machine",
        "CPU time of the agent",
        cpu_s_per_audio_min,
        compared=_COMPARED,
        headline=Headline("quality", 1, {None: "CPU s/min"}, ".1f", "mean"),
    ),
    Metric(
        20,
        "rss_peak_mb",
        "MB",
        "machine",
        "peak memory of the agent's process tree",
        rss_peak_mb,
        compared=_COMPARED,
        headline=Headline("quality", 2, {None: "RSS MB"}, over="largest"),
    ),
    _caller(
        "caller_cpu_percent",
        "%",
        "CPU time of the caller's process per time of the trial; aim: at most 10 % of a core",
        caller_cpu_percent,
    ),
    _caller(
        "caller_rss_mb",
        "MB",
        "peak memory of the caller's process; aim: at most 300 MB",
        caller_rss_mb,
    ),
    _row("joules", "J", "energy", joules),
    _row(
        "cold_start",
        "ms",
        "a model's process started → warm",
        cold_start("process_start", "warm_end"),
    ),
    _row("cold_load", "ms", "a model's loading", cold_start("load_start", "load_end")),
    _row("cold_warm", "ms", "a model loaded → warm", cold_start("load_end", "warm_end")),
)
"""The rows, in the order in which they are stored."""
