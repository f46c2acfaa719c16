"""What a method is asked and when, what its policy does, and what computing costs it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from bench.endpointing import kept
from bench.endpointing.kept import Kept
from bench.endpointing.predict import Decided, decided, estimates, silence_at
from bench.endpointing.tables import as_decided
from bench.endpointing.turns import Silence, UserTurn
from pipelines.cascade.endpointing.methods import Method, Pcm

PCM = np.repeat(np.array([0, 1000, 0, 1000, 0], np.int16), [4000, 8000, 8000, 8000, 16000])
TURN = UserTurn("t", "en", PCM, (Silence(0.75, 1.25), Silence(1.75, 2.75)))
"""Silent for 0.25 s, loud for 0.5 s, a pause of 0.5 s, loud for 0.5 s, then over."""


class Quiet:
    """Takes the turn for over after 0.2 s of silence; its estimate is the silence in s.

    Args:
        cost_s: CPU time of the piece of sound that decides.
    """

    def __init__(self, cost_s: float = 0.0) -> None:
        self._cost_s = cost_s
        self._spoke = False
        self._silent = 0

    def feed(self, chunk: Pcm) -> bool:
        loud = bool(chunk.any())
        self._spoke = self._spoke or loud
        self._silent = 0 if loud else self._silent + len(chunk)
        over = self._spoke and self._silent == 3200
        if over:
            until = time.thread_time() + self._cost_s
            while time.thread_time() < until:
                pass
        return over

    def probability(self) -> float:
        return min(1.0, self._silent / 16000) if self._spoke else 0.0


def method(cost_s: float = 0.0, name: str = "quiet") -> Method:
    return Method(
        name, "for tests", lambda: Quiet(cost_s), lambda: f"cost {cost_s}", lambda: Quiet()
    )


def test_a_method_is_asked_at_every_tenth_of_a_second_of_each_silence_and_at_its_end() -> None:
    rows = list(estimates(method(), TURN))
    assert [r.silence_dur for r in rows if r.label == "hold"] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert [r.silence_dur for r in rows if r.label == "eot"][-1] == 1.0
    assert {r.span_index for r in rows if r.label == "eot"} == {1}


def test_an_estimate_knows_nothing_that_comes_after_it() -> None:
    for row in estimates(method(), TURN):
        assert row.silence_dur - 0.0201 <= row.p_eot <= row.silence_dur + 1e-9


def test_a_policy_that_ends_the_turn_in_a_pause_cuts_it_and_goes_on() -> None:
    found = decided(method(), TURN)
    assert (found.pauses, found.cut, found.mid_speech) == (1, 1, 0)
    # The turn's end lies within a piece of 20 ms: 10 ms later than the first silent one begins.
    assert found.wait_s == pytest.approx(0.21)


def test_computing_delays_the_decision_by_its_time() -> None:
    found = decided(method(cost_s=0.05), TURN)
    assert found.wait_s is not None and found.computed_s is not None
    assert 0.05 <= found.computed_s - found.wait_s < 0.06
    assert 0.05 <= found.longest_s < 0.06


def test_a_moment_lies_in_a_silence_or_in_speech() -> None:
    assert [silence_at(TURN, t) for t in (0.5, 0.8, 1.25, 1.5, 2.0)] == [None, 0, 0, None, 1]


def test_what_lies_in_the_folder_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int]] = []
    first = Kept(tmp_path, [TURN], lambda *what: told.append(what))
    rows, found = first.estimates(method()), first.decided(method())
    assert told == [("quiet: estimates", 0, 1), ("quiet: its own policy", 0, 1)]

    def never(*_: object) -> None:
        raise AssertionError("it is done already")

    monkeypatch.setattr(kept, "estimates", never)
    monkeypatch.setattr(kept, "decided", never)
    again = Kept(tmp_path, [TURN], lambda *what: told.append(what))
    assert (again.estimates(method()), again.decided(method())) == (rows, found)


def test_a_method_with_other_numbers_and_other_turns_are_done_anew(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(what: str, done: int, total: int) -> None:
        told.append(what)

    Kept(tmp_path, [TURN], tell).decided(method())
    Kept(tmp_path, [TURN], tell).decided(method(cost_s=0.001))
    other = UserTurn("t", "en", PCM, (Silence(0.75, 1.2), Silence(1.75, 2.75)))
    Kept(tmp_path, [other], tell).decided(method(cost_s=0.001))
    assert len(told) == 3


def test_a_turn_that_is_never_taken_for_over_counts_with_the_time_that_was_watched() -> None:
    found = [Decided(f"t{i}", 1, i % 2, 0, 0.1, 0.1 + i / 100, 3.6, 0.0, 0.1) for i in range(20)]
    row = as_decided("m", [*found, Decided("t20", 1, 0, 2, None, None, 3.6, 0.01, 0.1)])
    assert (row["turns"], row["never"], row["mid_speech"], row["pauses"]) == (21, 1, 2, 21)
    assert row["cut_offs"] == pytest.approx(100 * 10 / 21)
    assert row["wait_p50_ms"] == pytest.approx(200)
    assert row["decided_p50_ms"] == pytest.approx(100)
    assert row["wait_mean_ms"] == pytest.approx((sum(range(100, 300, 10)) + 3600) / 21)
    assert row["computing_longest_ms"] == pytest.approx(10)
