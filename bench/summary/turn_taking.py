"""Turn-taking, a preset in one look: barge-ins, false stops, early starts, takeovers.

As everywhere, repeats of a turn count as one: by their median, in rates by their share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.stats.conversations import quantile_of_turns, rate_of_turns
from bench.stats.quantiles import Estimate, Key, mean, per_key, rate
from bench.stats.survival import km_median
from bench.store.labels import TurnLabels
from bench.store.records import MetricRow
from bench.store.store import Run
from pipelines.kinds import Weights

Values = Mapping[str, Sequence[tuple[Key, float]]]
"""Metric → the valid values, each with its turn."""


@dataclass(frozen=True, slots=True)
class TurnTakingSummary:
    """One preset. Times in ms, rates from 0 to 1."""

    preset: str
    weights: Weights
    """trained, synthetic or scripted; with synthetic weights all fields below are empty."""
    stop: Estimate
    """Median of barge_in_stop by Kaplan and Meier; n includes the censored ones."""
    censored: int
    """Number of censored barge-ins."""
    decided: Estimate
    """Median of barge_in_yield."""
    yields: Estimate
    """Share of interruptions that stopped it within 2 s."""
    false_stops: Estimate
    """Share of backchannels, coughs and side talk over its speech that stopped it."""
    early: Estimate
    """Share of labelled pauses in which it began; n counts pauses."""
    takeover: Estimate
    """Turns that want an answer, and in which it took over after u_off (strict)."""
    intrusion: Estimate
    """Events that want no answer, and in which it took over (compatible)."""
    overlap: Estimate
    """Share of the time with any speech in which both spoke; mean over conversations."""


def summarise_turn_taking(run: Run, rows: Sequence[MetricRow]) -> tuple[TurnTakingSummary, ...]:
    """The presets of a run; none where no turn of it is labelled as an event."""
    turns = _labelled(run)
    if not any(labels.event for labels in turns.values()):
        return ()
    found: dict[str, dict[str, list[tuple[Key, float]]]] = {}
    weights: dict[str, Weights] = {}
    for row in rows:
        weights.setdefault(row.preset, row.weights)
        of_preset = found.setdefault(row.preset, {})
        if row.valid and row.value is not None and not row.warmup:
            of_preset.setdefault(row.metric, []).append(((row.fixture, row.turn), row.value))
    order = dict.fromkeys(trial.preset for trial in run.trials)
    return tuple(_preset(p, weights[p], found[p], turns) for p in order if p in found)


def _labelled(run: Run) -> dict[Key, TurnLabels]:
    """The labels of every turn of a run."""
    fixtures = dict.fromkeys(trial.fixture for trial in run.trials)
    known = [labels for name in fixtures if (labels := run.labels(name)) is not None]
    return {(f.name, number): turn for f in known for number, turn in enumerate(f.turns)}


def _preset(
    name: str, weights: Weights, values: Values, turns: Mapping[Key, TurnLabels]
) -> TurnTakingSummary:
    stops, censored = values.get("barge_in_stop", ()), values.get("barge_in_censored", ())
    seen, unseen = once(stops, censored)
    return TurnTakingSummary(
        preset=name,
        weights=weights,
        stop=km_median(seen, unseen),
        censored=len(unseen),
        decided=quantile_of_turns(values.get("barge_in_yield", ()), 0.5),
        yields=_share(values, "yield_rate"),
        false_stops=_share(values, "false_interruption"),
        early=early_starts(values),
        takeover=_share(values, "takeover_strict", lambda key: _wants_answer(turns.get(key))),
        intrusion=_share(values, "takeover_compatible", lambda key: _wants_none(turns.get(key))),
        overlap=mean([percent / 100 for percent in per_key(values.get("overlap", ()))]),
    )


def once(
    stops: Sequence[tuple[Key, float]], censored: Sequence[tuple[Key, float]]
) -> tuple[list[float], list[float]]:
    """Each interruption once: with the median stop of its repeats if any of them stopped."""
    stopped = {key for key, _ in stops}
    return per_key(stops), per_key([pair for pair in censored if pair[0] not in stopped])


def _share(values: Values, metric: str, of: Callable[[Key], bool] = lambda _: True) -> Estimate:
    return rate_of_turns([(key, hit > 50) for key, hit in values.get(metric, ()) if of(key)])


def early_starts(values: Values, prefix: str = "") -> Estimate:
    """Onsets in pauses per pause; the mean over repeats.

    Args:
        values: Values of the metrics ``pauses`` and ``pause_onsets``.
        prefix: Text before the names of these two.
    """
    number = dict(values.get(f"{prefix}pauses", ()))
    onsets: dict[Key, list[float]] = {}
    for key, count in values.get(f"{prefix}pause_onsets", ()):
        if number.get(key, 0) > 0:
            onsets.setdefault(key, []).append(count)
    begun = sum(sum(of_turn) / len(of_turn) for of_turn in onsets.values())
    return rate(begun, round(sum(number[key] for key in onsets)))


def _wants_answer(labels: TurnLabels | None) -> bool:
    return labels is not None and labels.expect.respond


def _wants_none(labels: TurnLabels | None) -> bool:
    return labels is not None and bool(labels.event) and not labels.expect.respond
