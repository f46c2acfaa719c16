"""The clicks before a run's first trial: lost ones are played again, and never passed over."""

from __future__ import annotations

import pytest

from bench.runner import run
from bench.runner.calibration import CALIBRATIONS, Answered, DelayResult, LostClickError


class Clicks:
    """Stands in for the calibrator: the first few times a click is lost."""

    tried = 0

    def __init__(self, lost: int) -> None:
        self.lost = lost

    def __call__(self, caller: object) -> Clicks:
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
        return DelayResult(delay_ms, n, (ANSWER,) * n)


ANSWER = Answered.__new__(Answered)


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(Answered, "ruler_ms", property(lambda _: 0.25))


def test_a_click_that_was_lost_once_is_played_again_and_all_are_counted(monkeypatch, exact):
    clicks = Clicks(lost=CALIBRATIONS - 1)
    monkeypatch.setattr(run, "Calibrator", clicks)
    assert run._calibrate(None) == {"sent": 20, "heard": 20, "max_error_ms": 0.25}
    assert clicks.tried == CALIBRATIONS


def test_a_ruler_that_loses_clicks_each_time_stops_the_run(monkeypatch):
    clicks = Clicks(lost=99)
    monkeypatch.setattr(run, "Calibrator", clicks)
    with pytest.raises(LostClickError, match="click 12 was written, but never heard"):
        run._calibrate(None)
    assert clicks.tried == CALIBRATIONS
