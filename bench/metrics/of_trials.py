"""How each metric of a whole trial is read off it: lateness, playout, cost.

Which metrics there are, and what they mean, says bench/metrics/table.py. No function here looks at
validity, which is applied to all alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.store.labels import FixtureLabels
from bench.timeline.frames import Frames
from bench.timeline.lateness import Lateness, of_timeline
from bench.timeline.playout import agent_speech_ns, dry_ns
from bench.timeline.timeline import Timeline
from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.marks import EventName


@dataclass(frozen=True, slots=True)
class Reading:
    """What a metric found: a value, or why there is none."""

    value: float | None
    """The figure; None if there is none."""
    reason: str | None = None
    """Why there is none, or what the figure alone does not say."""
    subject: str | None = None
    """What it is of, where a trial gives several: a model's name."""


@dataclass(frozen=True, slots=True)
class TrialView:
    """What a metric of a whole trial sees."""

    timeline: Timeline
    sessions: Sequence[Frames] = ()
    """Of a duplex model, frame by frame; none of other agents."""
    labels: FixtureLabels | None = None
    """Of the trial's fixture; None where the run holds none."""


TrialMeasure = Callable[[TrialView], list[Reading]]


def _ms(ns: int) -> float:
    return ns / NS_PER_MS


# 1: the harness, and the agent's event loop

Late = Callable[[Timeline], Lateness]


def mouth(timeline: Timeline) -> Lateness:
    """The mouth's lateness of a trial."""
    return of_timeline(timeline)[0]


def ear(timeline: Timeline) -> Lateness:
    """The ear's lateness of a trial."""
    return of_timeline(timeline)[1]


def lag(timeline: Timeline) -> Lateness:
    """The agent's loop lag in a trial."""
    return of_timeline(timeline)[2]


def late_quantile(of: Late, p: float) -> TrialMeasure:
    """Makes the measure of a quantile of a lateness; ``p`` = 1 for the largest."""

    def measure(view: TrialView) -> list[Reading]:
        value = of(view.timeline).quantile(p)
        return [Reading(value, None if value is not None else "no chunk is marked")]

    return measure


# 13: playout


def underflows_per_min(view: TrialView) -> list[Reading]:
    """How often the ear ran dry, per minute of the agent's speech."""
    speech_ns = agent_speech_ns(view.timeline)
    if speech_ns == 0:
        return [Reading(None, "the agent said nothing")]
    return [Reading(len(dry_ns(view.timeline)) / (speech_ns / NS_PER_S / 60))]


def underflow_ms(view: TrialView) -> list[Reading]:
    """How long the ear was dry inside the agent's speech."""
    if agent_speech_ns(view.timeline) == 0:
        return [Reading(None, "the agent said nothing")]
    return [Reading(_ms(sum(dry_ns(view.timeline))))]


# 20: cost


def cpu_s_per_audio_min(view: TrialView) -> list[Reading]:
    """CPU time of the agent's process tree per minute of the trial."""
    trial = view.timeline.trial
    if trial.cpu_agent_s is None or trial.audio_s <= 0:
        return [Reading(None, "the agent's CPU time was not read")]
    return [Reading(trial.cpu_agent_s / (trial.audio_s / 60))]


def rss_peak_mb(view: TrialView) -> list[Reading]:
    """Peak memory of the agent's process tree."""
    value = view.timeline.trial.rss_agent_peak_mb
    return [Reading(value, None if value is not None else "the agent's memory was not read")]


def caller_cpu_percent(view: TrialView) -> list[Reading]:
    """CPU time of the caller's process per time of the trial: what measuring takes of a core."""
    trial = view.timeline.trial
    if trial.cpu_caller_s is None or trial.wall_s <= 0:
        return [Reading(None, "the caller's CPU time was not read")]
    return [Reading(100 * trial.cpu_caller_s / trial.wall_s)]


def caller_rss_mb(view: TrialView) -> list[Reading]:
    """Peak memory of the caller's process."""
    value = view.timeline.trial.rss_caller_peak_mb
    return [Reading(value, None if value is not None else "the caller's memory was not read")]


def joules(view: TrialView) -> list[Reading]:
    """Energy: null until a counter is read."""
    return [Reading(None, "no energy counter (RAPL, NVML) is read")]


def cold_start(start: EventName, end: EventName) -> TrialMeasure:
    """Makes the measure of the time between two ``agent.*`` marks, per model.

    Gives nothing in a trial in which no model was started: which is most of them.
    """

    def measure(view: TrialView) -> list[Reading]:
        begun: dict[str, int] = {}
        readings: list[Reading] = []
        if not view.timeline.all("agent", end):
            return readings
        for mark in view.timeline.marks:
            if mark.stage != "agent" or mark.text is None:
                continue
            if mark.event == start:
                begun[mark.text] = mark.t_ns
            elif mark.event == end and mark.text in begun:
                took = _ms(mark.t_ns - begun.pop(mark.text))
                readings.append(Reading(took, subject=mark.text))
        return readings

    return measure


def pipecats(event: EventName) -> TrialMeasure:
    """Makes the measure of one of Pipecat's own metrics, by processor: its median in the trial.

    Of pipelines that stamp their stages themselves it gives nothing: there the stages' own marks
    say more. What came before the user spoke, a greeting's for instance, is left out.
    """

    def measure(view: TrialView) -> list[Reading]:
        timeline = view.timeline
        if not timeline.all("agent", "guest") or not timeline.turns:
            return []
        since = timeline.turns[0].u_on_ns
        found: dict[str, list[float]] = {}
        for mark in timeline.all("pipecat", event):
            if mark.t_ns >= since and mark.value is not None and mark.text:
                found.setdefault(mark.text.partition("#")[0], []).append(1000 * mark.value)
        return [Reading(median(values), subject=name) for name, values in found.items()]

    return measure
