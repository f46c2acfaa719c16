"""What an agent costs: capacity, work, memory, energy, starts; answers begun early and withdrawn;
what measuring takes (19, 20).
"""

from __future__ import annotations

from bench.metrics.metric import Effect, Figure, Headline, Metric, TrialMeasure, Unit, in_ms
from bench.metrics.reading import TrialReading
from bench.timeline.speculation.withdrawn import wasted, withdrawn_spans
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


def predictions(reading: TrialReading) -> list[Figure]:
    """Answers that were begun before the turn was over."""
    return _begun_early(reading, len(reading.timeline.all("turn", "predicted")))


def withdrawals(reading: TrialReading) -> list[Figure]:
    """Those that were withdrawn."""
    return _begun_early(reading, len(withdrawn_spans(reading.timeline)))


def _begun_early(reading: TrialReading, n: int) -> list[Figure]:
    return [Figure(float(n))] if reading.timeline.all("turn", "predicted") else []


def wasted_tokens(reading: TrialReading) -> list[Figure]:
    """Tokens of answers that were withdrawn; of one that was cancelled they are not known."""
    if not reading.timeline.all("turn", "predicted"):
        return []
    works = [w for w in wasted(reading.timeline) if w.begun.stage == "llm"]
    known = [w.over.value for w in works if w.over is not None and w.over.value is not None]
    cut = len(works) - len(known)
    return [Figure(sum(known), f"at least: of {cut} the end is not marked" if cut else None)]


def wasted_ms(reading: TrialReading) -> list[Figure]:
    """Time that models worked on answers that were withdrawn, each on a thread of its own."""
    if not reading.timeline.all("turn", "predicted"):
        return []
    works = [w for w in wasted(reading.timeline) if w.over is not None]
    return [Figure(sum(in_ms(w.over.t_ns - w.begun.t_ns) for w in works if w.over is not None))]


def capacity(_: TrialReading) -> list[Figure]:
    """Finds nothing in one conversation: `bench.capacity` finds it by many at the same time."""
    return [Figure(None, "of many calls at once: duplex-lab capacity finds it")]


def _row(name: str, unit: Unit, description: str, on_trial: TrialMeasure) -> Metric:
    return Metric(20, name, unit, "machine", description, on_trial)


def _caller(name: str, unit: Unit, description: str, on_trial: TrialMeasure) -> Metric:
    return Metric(20, name, unit, "harness", description, on_trial)


def _ahead(
    name: str, unit: Unit, description: str, measure: TrialMeasure, place: int, head: str
) -> Metric:
    shown = Headline("ahead", place, {None: head}, over="sum")
    return Metric(20, name, unit, "machine", description, measure, headline=shown)


_COMPARED = Effect("ratio", 0.05)

ROWS = (
    Metric(
        19,
        "capacity",
        "sessions",
        "machine",
        "largest N whose upper bound meets the SLO, open-loop arrivals: by duplex-lab capacity",
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
    _ahead("predictions", "", "answers begun before the turn was over", predictions, 1, "begun"),
    _ahead("withdrawn", "", "those that were withdrawn", withdrawals, 2, "withdrawn"),
    _ahead(
        "wasted_tokens",
        "",
        "tokens of answers that were withdrawn, as far as they are known",
        wasted_tokens,
        3,
        "wasted tokens",
    ),
    _ahead(
        "wasted_ms",
        "ms",
        "request → end or cancelling of language model and synthesiser, summed over answers that "
        "were withdrawn: at most the CPU time of models of one thread",
        wasted_ms,
        4,
        "wasted ms",
    ),
)
"""The rows, in the order in which they are stored."""
