"""The rows of the table of metrics that tell who has the floor (14 to 17), and capacity (19).

A time that is censored is no stop: ``barge_in_stop`` is null there, and ``barge_in_censored`` holds
how long there was none. The two together are what Kaplan and Meier's estimate takes; the mean of
either alone would flatter.
"""

from __future__ import annotations

from bench.metrics import of_turn_taking as of
from bench.metrics.metric import Metric
from bench.metrics.of_trials import TrialMeasure
from bench.metrics.of_turns import TurnMeasure


def _turn(number: int, name: str, unit: str, description: str, read: TurnMeasure) -> Metric:
    return Metric(number, name, unit, "floor", description, on_turn=read)


def _trial(number: int, name: str, unit: str, description: str, read: TrialMeasure) -> Metric:
    return Metric(number, name, unit, "floor", description, read)


FLOOR_METRICS: tuple[Metric, ...] = (
    _turn(
        14,
        "barge_in_stop",
        "ms",
        "end of the reply − u_on of the interruption, where audio was cleared or the model fell "
        "silent, within 2 s, with at least 3 s of the reply left",
        of.barge_in_stop,
    ),
    _turn(
        14,
        "barge_in_censored",
        "ms",
        "in place of barge_in_stop: how long no stop was seen (2 s, or the reply ended by itself)",
        of.barge_in_censored,
    ),
    _turn(
        14,
        "barge_in_yield",
        "ms",
        "the agent's decision to yield − u_on of the interruption, where it stopped",
        of.barge_in_yield,
    ),
    _turn(
        14,
        "yield_rate",
        "%",
        "100: it stopped within 2 s of the interruption; 0: it spoke on",
        of.yield_rate,
    ),
    _turn(
        15,
        "false_interruption",
        "%",
        "100: the reply was stopped during a backchannel, a cough or side talk, or ≤ 1 s after",
        of.false_interruption,
    ),
    _turn(15, "pauses", "", "pauses labelled inside the turn", of.pauses),
    _turn(15, "pause_onsets", "", "those in which a reply began", of.pause_onsets),
    _turn(15, "premature_start", "%", "pause_onsets / pauses", of.premature_start),
    _turn(
        16,
        "takeover_compatible",
        "%",
        "100: a reply began in the turn that lasted ≥ 1 s, or was meant to have > 3 words",
        of.takeover(strict=False),
    ),
    _turn(
        16,
        "takeover_strict",
        "%",
        "the same of replies that began after u_off only",
        of.takeover(strict=True),
    ),
    _trial(
        17,
        "overlap",
        "%",
        "|U ∩ A| / |U ∪ A|: both spoke, of the time in which anybody did",
        of.overlap,
    ),
    _trial(
        17,
        "backchannels_per_min",
        "1/min",
        "the agent's sounds < 1 s that began while the user spoke and were not cut, per minute of "
        "the user's speech",
        of.backchannels_per_min,
    ),
    _trial(
        17,
        "backchannel_jsd",
        "",
        "Jensen–Shannon divergence of their timing (200 ms bins) from people's",
        of.not_measured("no timing of people's backchannels to these turns is at hand"),
    ),
    _trial(
        17,
        "gap_w1",
        "ms",
        "Wasserstein distance of the gaps from people's",
        of.not_measured("no distribution of people's gaps is at hand, only published summaries"),
    ),
    Metric(
        19,
        "capacity",
        "sessions",
        "machine",
        "largest N whose upper bound meets the SLO, open-loop arrivals",
        of.not_measured("a run plays one conversation at a time"),
    ),
)
"""In the order in which they are stored."""
