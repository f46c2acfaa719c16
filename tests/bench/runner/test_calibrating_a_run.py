"""The clicks before a run's first trial: lost ones are played again, and never passed over."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from bench.runner import run
from bench.runner.calibration import CALIBRATIONS, Answered, DelayResult, LostClickError
from bench.runner.spinner import Spinner
from bench.timeline.lateness import WAKES_LATE_MS


class Clicks:
    """Stands in for the calibrator: the first few times a click is lost."""

    tried = 0

    def __init__(self, lost: int, *timers_late_ms: float) -> None:
        self.lost = lost
        self.timers_late_ms = list(timers_late_ms)

    def __call__(self, caller: object, agent: object) -> Clicks:
        return self

    def __enter__(self) -> Clicks:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def clicks(self, n: int, delay_ms: float, seed: int) -> DelayResult:
        self.tried += 1
        if self.tried <= self.lost:
            raise LostClickError(
                "Calibration: the answer to click 12 was written, but never heard."
            )
        return DelayResult(delay_ms, n, (ANSWER,) * n, self.timers_late_ms.pop(0))


ANSWER = Answered.__new__(Answered)


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(Answered, "ruler_ms", property(lambda _: 0.25))


def test_a_click_that_was_lost_once_is_played_again_and_all_are_counted(monkeypatch, exact):
    clicks = Clicks(CALIBRATIONS - 1, 0.1)
    monkeypatch.setattr(run, "Calibrator", clicks)
    assert run._calibrate(None) == {
        "sent": 20,
        "heard": 20,
        "max_error_ms": 0.25,
        "timers_late_ms": 0.1,
    }
    assert clicks.tried == CALIBRATIONS


def test_a_plan_may_ask_for_fewer_clicks(monkeypatch, exact):
    monkeypatch.setattr(run, "Calibrator", Clicks(0, 0.1))
    found = run._calibrate(None, None, 3)
    assert (found["sent"], found["heard"]) == (3, 3)


def test_a_ruler_that_loses_clicks_each_time_stops_the_run(monkeypatch):
    clicks = Clicks(99)
    monkeypatch.setattr(run, "Calibrator", clicks)
    with pytest.raises(LostClickError, match="click 12 was written, but never heard"):
        run._calibrate(None)
    assert clicks.tried == CALIBRATIONS


def steadied(monkeypatch, spinner: Spinner, *late_ms: float) -> dict:
    clicks = Clicks(0, *late_ms)
    monkeypatch.setattr(run, "Calibrator", clicks)
    monkeypatch.setattr(run, "start_spinner", lambda: spinner)
    caller: Any = None
    with ExitStack() as stack:
        return run._steadied(caller, run._calibrate(caller), stack)


def test_timers_that_wake_in_time_need_no_spinner(monkeypatch, exact):
    found = steadied(monkeypatch, Spinner((0, 1)), WAKES_LATE_MS)
    assert found["calibration"]["timers_late_ms"] == WAKES_LATE_MS
    assert found["spinner"] == {
        "cores": [],
        "why_not": "the timers of this machine wake in time",
    }


def test_timers_that_wake_late_get_a_spinner_and_both_calibrations_are_kept(monkeypatch, exact):
    found = steadied(monkeypatch, Spinner((0, 1)), 1.8, 0.1)
    assert found["spinner"] == {"cores": [0, 1], "why_not": None}
    assert found["calibration"]["timers_late_ms"] == 0.1
    assert found["calibration"]["before_spinning"]["timers_late_ms"] == 1.8


def test_a_spinner_that_may_not_start_is_said_and_nothing_is_calibrated_again(monkeypatch, exact):
    found = steadied(monkeypatch, Spinner(why_not="process 7 (train) works"), 1.8)
    assert found["spinner"] == {"cores": [], "why_not": "process 7 (train) works"}
    assert found["calibration"]["timers_late_ms"] == 1.8
