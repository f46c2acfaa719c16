"""The way between caller and agent: connecting, a simulated network, and holes in what was heard.

An underrun is silence inside the agent's speech, where the ear's buffer was empty (13); the others
are of agents that the caller dials (21), and of a network that was simulated (22).
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.metrics.metric import Figure, Headline, Metric, TrialMeasure, TurnMeasure, in_ms
from bench.metrics.reading import TrialReading, TurnReading
from bench.timeline.playout import agent_speech_ns
from pipelines.clock import NS_PER_S
from pipelines.marks import EventName, Mark

NO_SPEECH = "the agent said nothing"
RECORDED = "in a recorded call an underrun can't be told from a pause"
NO_NETWORK = "no network was simulated"
WAYS = ("up", "down")


def underruns(reading: TrialReading) -> list[Figure]:
    """Counts the underruns per minute of the agent's speech."""
    if reading.trial.kind == "recorded":
        return [Figure(None, RECORDED)]
    speech_ns = agent_speech_ns(reading.timeline)
    if speech_ns == 0:
        return [Figure(None, NO_SPEECH)]
    return [Figure(len(reading.underruns_ns) / (speech_ns / NS_PER_S / 60))]


def underrun_ms(reading: TrialReading) -> list[Figure]:
    """Measures the silence of all underruns together."""
    if reading.trial.kind == "recorded":
        return [Figure(None, RECORDED)]
    if agent_speech_ns(reading.timeline) == 0:
        return [Figure(None, NO_SPEECH)]
    return [Figure(in_ms(sum(reading.underruns_ns)))]


def line_took(start: EventName, end: EventName) -> TrialMeasure:
    """Makes the measure of the time between two ``line.*`` marks.

    Gives nothing in a trial of an agent that the lab starts itself, which is not dialled.
    """

    def measure(reading: TrialReading) -> list[Figure]:
        begun, over = (reading.timeline.all("line", event) for event in (start, end))
        if not begun:
            return []
        if not over:
            return [Figure(None, f"no line.{end} mark: {reading.trial.error or 'it never came'}")]
        return [Figure(in_ms(over[0].t_ns - begun[0].t_ns))]

    return measure


def counted(event: EventName, *, sums: bool) -> TrialMeasure:
    """Makes the measure of how often the network did something, each way.

    Args:
        event: Event of the network's marks.
        sums: True to add their values up, False to count the marks.
    """

    def measure(reading: TrialReading) -> list[Figure]:
        if not reading.trial.network:
            return []
        marks = reading.timeline.all("network", event)
        return [
            Figure(
                sum((m.value or 0.0) if sums else 1.0 for m in marks if m.text == way), None, way
            )
            for way in WAYS
        ]

    return measure


def _added_up(reading: TurnReading) -> Figure:
    """What was added to the user's last audible sample, on its way to the agent."""
    trial = reading.timeline.trial
    chunk_ns = trial.chunk_ms * 1_000_000
    k = (reading.turn.u_off_ns - 1 - trial.t0_ns) // chunk_ns
    return Figure(_added(reading.timeline.all("network", "passed_up"), f"u{k}"))


def _added_down(reading: TurnReading) -> Figure:
    """What was added to the first audible sample of the answer, on its way to the user."""
    a_on_ns = reading.turn.a_on_ns
    if a_on_ns is None:
        return Figure(None, reading.turn.silence)
    heard = [m for m in reading.timeline.all("ear", "heard") if m.t_ns <= a_on_ns and m.value]
    if not heard:
        return Figure(None, "no ear.heard mark")
    return Figure(_added(reading.timeline.all("network", "passed_down"), heard[-1].request_id))


def _added(marks: Sequence[Mark], of: str) -> float:
    return next((m.value or 0.0 for m in marks if m.request_id == of), 0.0)


def where_simulated(measure: TurnMeasure) -> TurnMeasure:
    """A measure of a turn that gives nothing where no network was simulated."""

    def on_turn(reading: TurnReading) -> Figure:
        has_network = bool(reading.timeline.trial.network)
        return measure(reading) if has_network else Figure(None, NO_NETWORK)

    return on_turn


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
    Metric(
        21,
        "connect_ms",
        "ms",
        "harness",
        "the agent's address is dialled → TCP and TLS are up",
        line_took("dialled", "connected"),
        headline=Headline("connection", 1, {None: "connect ms"}, ".1f"),
    ),
    Metric(
        21,
        "handshake_ms",
        "ms",
        "harness",
        "TCP and TLS are up → the protocol's own greeting is over",
        line_took("connected", "agent_ready"),
        headline=Headline("connection", 2, {None: "handshake ms"}, ".1f"),
    ),
    Metric(
        22,
        "network_up_ms",
        "ms",
        "harness",
        "added by the simulated network to the user's last audible sample, on its way up",
        on_turn=where_simulated(_added_up),
    ),
    Metric(
        22,
        "network_down_ms",
        "ms",
        "harness",
        "added by the simulated network to the answer's first audible sample, on its way down",
        on_turn=where_simulated(_added_down),
    ),
    Metric(
        22,
        "network_lost_packets",
        "",
        "harness",
        "packets that the simulated network lost (over TCP: that came again), up and down",
        counted("lost", sums=True),
        headline=Headline("connection", 3, {way: f"lost {way}" for way in WAYS}, over="sum"),
    ),
    Metric(
        22,
        "network_stalls",
        "",
        "harness",
        "times that the simulated network let nothing pass, up and down",
        counted("stalled", sums=False),
        headline=Headline("connection", 4, {way: f"stalls {way}" for way in WAYS}, over="sum"),
    ),
)
"""The rows, in the order in which they are stored."""
