"""Trials of two sides are dealt anew: as many on each, fixture by fixture, and all of them."""

from __future__ import annotations

import numpy as np
import pytest

from bench.compare.compare import compare
from bench.compare.dealt_anew import deal, false_alarms
from bench.compare.pairs import Side
from bench.store.records import MetricRow, Trial, whose
from pipelines.errors import LabError


def side(run: str, values: dict[str, list[float]], first: int = 0) -> Side:
    """A preset that answered each fixture once per value, ms."""
    trials, rows = [], []
    for fixture, of in values.items():
        for repeat, value in enumerate(of, first):
            trial = Trial(run, f"agent.{fixture}.{repeat}", "agent", fixture, repeat, 0, 8000, 1)
            trials.append(trial)
            rows.append(
                MetricRow(
                    **whose(trial),
                    turn=0,
                    metric="voice_to_voice",
                    subject=None,
                    value=value,
                    unit="ms",
                    valid=True,
                    reason=None,
                    weights="trained",
                )
            )
    return Side.of(run, "agent", trials, rows)


def scattered(run: str, seed: int, add_ms: float = 0.0) -> Side:
    rng = np.random.default_rng(seed)
    values = {f"f{i:02}": (600 + add_ms + 20 * rng.standard_normal(2)).tolist() for i in range(24)}
    return side(run, values)


def test_each_side_keeps_its_number_of_trials_of_each_fixture_and_all_are_dealt():
    north = side("north", {"a": [1.0, 2.0], "b": [3.0]})
    south = side("south", {"a": [4.0], "b": [5.0, 6.0], "c": [7.0]})
    seen = set()
    for seed in range(50):
        own, theirs = deal(north, south, np.random.default_rng(seed))
        count = [[t.fixture for t in of.trials].count(f) for of in (own, theirs) for f in "abc"]
        assert count == [2, 1, 0, 1, 2, 1]
        values = own.values("voice_to_voice"), theirs.values("voice_to_voice")
        every = [v for of in values for found in of.values() for v in found]
        assert sorted(every) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
        seen.add(tuple(sorted(values[0]["a", 0])))
    assert seen == {(1.0, 2.0), (1.0, 4.0), (2.0, 4.0)}


def test_two_machines_that_do_not_differ_alarm_in_five_of_a_hundred_at_most():
    dealt = false_alarms(scattered("north", 1), scattered("south", 2), 200)
    assert dealt.samples == 200
    assert dealt.alarms <= 10 + 6  # 5 %, and what chance adds to it in 200


def test_what_one_machine_adds_is_told_as_measured_and_gone_when_dealt_anew():
    north, south = scattered("north", 1), scattered("south", 2, add_ms=60.0)
    (found,) = compare([(north, south)])
    assert any(one.direction for one in found.metrics)
    assert false_alarms(north, south, 50).alarms <= 8


def test_two_machines_without_a_common_fixture_cannot_be_dealt():
    with pytest.raises(LabError) as refused:
        false_alarms(side("north", {"a": [1.0]}), side("south", {"b": [1.0]}), 10)
    assert str(refused.value) == "north and south share no fixture: nothing can be dealt."
