"""The script that asks whether a duplex model keeps up for 150 s."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import real_time  # noqa: E402  (found by the path above)


@pytest.mark.parametrize(
    ("missed", "low", "high", "verdict"),
    [
        (1.0, -1.0, 1.0, "yes"),
        (1.1, 0.0, 0.0, "no"),
        (0.0, 0.5, 1.1, "no"),
        (0.0, -1.1, 0.0, "no"),
        (None, 0.0, 0.0, "not known"),
        (0.0, None, None, "not known"),
    ],
)
def test_a_preset_holds_with_few_late_frames_and_without_a_drift(missed, low, high, verdict):
    found = {"deadline_miss": missed, "drift_low": low, "drift_high": high}
    assert real_time.holds(found) == verdict


def test_every_trial_of_150_s_is_a_row_and_a_late_caller_is_named():
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in real_time.table(ROOT / "results" / "sample").splitlines()
        if line.startswith("| duplex-")
    ]
    assert [(row[0], row[-1]) for row in rows] == [
        ("duplex-scripted-86ms", "the caller was late"),
        ("duplex-tiny", "no"),
    ]
    assert rows[1][2:7] == ["1875", "99.60", "+455.56", "+453.50", "+458.14"]
