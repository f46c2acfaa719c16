"""Full-Duplex-Bench's own figures of a sample of it (2, 14, 16, 17): as its scripts compute them.

They stand beside ours and are compared with nothing else: how each is defined, and where it differs
from ours, is in docs/recorded.md. A trial that is no sample has no such rows.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.metrics.metric import Figure, Metric, TrialMeasure, Unit
from bench.metrics.reading import TrialReading
from bench.timeline.full_duplex_bench.sample import Sample, sample_of
from bench.timeline.full_duplex_bench.v1 import Stretch, backchannels, jsd, latency_s, takes_turn
from bench.timeline.full_duplex_bench.v15 import (
    AGENT_GAP_S,
    USER_GAP_S,
    merged,
    responses,
    stops,
)

MS_PER_S = 1000.0
NO_WORDS = "no output.json: its script needs the recogniser's words and times"
NO_LABEL = "the sample's label is missing: its script needs the user's end"
NO_PEOPLE = "no icc_gt_distribution.json beside the samples, which its script compares with"
NO_TURN = "no turn was taken"
NO_END = "the last word has no end, at which its script fails"

Measure = Callable[[Sample], list[Figure]]


def _of(tasks: dict[str, tuple[str, ...]], measure: Measure) -> TrialMeasure:
    """Makes the measure of a trial from that of a sample; nothing where it is of another task.

    Args:
        tasks: Version → the tasks that have the figure.
        measure: The figures of a sample.
    """

    def of_trial(reading: TrialReading) -> list[Figure]:
        sample = sample_of(reading.timeline)
        if sample is None or sample.task not in tasks.get(sample.version, ()):
            return []
        return measure(sample)

    return of_trial


def takeover(sample: Sample) -> list[Figure]:
    """100: the agent took the turn; 0: it did not."""
    if sample.words is None:
        return [Figure(None, NO_WORDS)]
    if sample.task == "backchannel":
        took = backchannels(sample.agent, sample.words).took_turn
    elif sample.task != "pause_handling" and sample.words and sample.words[-1].end_s is None:
        return [Figure(None, NO_END)]
    else:
        took = takes_turn(sample.words)
    return [Figure(100.0 if took else 0.0)]


def latency(sample: Sample) -> list[Figure]:
    """First word − the labelled end of the user, 0 if it is negative."""
    if sample.words is None:
        return [Figure(None, NO_WORDS)]
    if not sample.labels:
        return [Figure(None, NO_LABEL)]
    if sample.words and sample.words[-1].end_s is None:
        return [Figure(None, NO_END)]
    label = sample.labels[0]
    end_s = label[1] if sample.task == "user_interruption" else label[0]
    found = latency_s(sample.words, end_s)
    return [Figure(None, NO_TURN) if found is None else Figure(MS_PER_S * found)]


def backchannel_rate(sample: Sample) -> list[Figure]:
    """Backchannels per second of the output."""
    if sample.words is None:
        return [Figure(None, NO_WORDS)]
    found = backchannels(sample.agent, sample.words).stretches
    return [Figure(len(found) / sample.output_s if sample.output_s else None)]


def backchannel_jsd(sample: Sample) -> list[Figure]:
    """Distance of their timing from people's; 1 without any."""
    if sample.words is None:
        return [Figure(None, NO_WORDS)]
    if not sample.people:
        return [Figure(None, NO_PEOPLE)]
    found = backchannels(sample.agent, sample.words).stretches
    return [Figure(jsd(found, sample.output_s, sample.people))]


def stop(sample: Sample) -> list[Figure]:
    """Each time in which both spoke."""
    return _intervals(stops(*_merged(sample)), "both never spoke at once")


def response(sample: Sample) -> list[Figure]:
    """From each end of the user to the agent's next start."""
    return _intervals(responses(*_merged(sample)), "no stretch of the agent follows the user's")


def _merged(sample: Sample) -> tuple[list[Stretch], list[Stretch]]:
    return merged(sample.user, USER_GAP_S), merged(sample.agent, AGENT_GAP_S)


def _intervals(found: list[Stretch], none: str) -> list[Figure]:
    """A figure for each interval, which names it."""
    return [
        Figure(MS_PER_S * (end_s - start_s), subject=f"{start_s:.3f}–{end_s:.3f} s")
        for start_s, end_s in found
    ] or [Figure(None, none)]


V1 = ("pause_handling", "backchannel", "smooth_turn_taking", "user_interruption")
V15 = ("user_interruption", "user_backchannel", "talking_to_other", "background_speech")


def _row(
    number: int,
    name: str,
    unit: Unit,
    description: str,
    tasks: dict[str, tuple[str, ...]],
    measure: Measure,
) -> Metric:
    described = f"Full-Duplex-Bench's own: {description}"
    return Metric(number, name, unit, "turn_taking", described, _of(tasks, measure))


ROWS = (
    _row(
        16,
        "fdb_takeover",
        "%",
        "100: words span ≥ 1 s or are > 3; of backchannels by the last stretch of speech",
        {"v1": V1},
        takeover,
    ),
    _row(
        2,
        "fdb_latency",
        "ms",
        "first word − the labelled end of the user, 0 if negative, where the turn was taken",
        {"v1": V1[2:]},
        latency,
    ),
    _row(
        17,
        "fdb_backchannel_rate",
        "1/s",
        "stretches of speech < 1 s with ≤ 2 words, per second of output",
        {"v1": ("backchannel",)},
        backchannel_rate,
    ),
    _row(
        17,
        "fdb_backchannel_jsd",
        "",
        "Jensen–Shannon distance of their timing (200 ms bins) from people's, 1 without any",
        {"v1": ("backchannel",)},
        backchannel_jsd,
    ),
    _row(
        14,
        "fdb_stop",
        "ms",
        "v1.5: each time in which both spoke, whatever ended it",
        {"v1.5": V15},
        stop,
    ),
    _row(
        2,
        "fdb_response",
        "ms",
        "v1.5: each end of the user → the agent's next start after it",
        {"v1.5": V15},
        response,
    ),
)
"""The rows, in the order in which they are stored."""
