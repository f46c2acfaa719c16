"""What docs/statistics.md says was found by simulation, is what this code's simulation finds."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import stats_coverage  # noqa: E402  (found by the path above)
from readme import section  # noqa: E402

from bench.simulated import coverage, power  # noqa: E402

DOCS = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
HOW = "run: python scripts/stats_coverage.py"
BY_NAME = {(e.method, e.data): e for e in coverage.EXPERIMENTS}


def lines(name: str) -> list[str]:
    return section(DOCS, name).splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_of_coverage_holds_every_cell_that_is_simulated_now() -> None:
    wanted = [
        (e.method, e.data, str(n), str(e.samples)) for e in coverage.EXPERIMENTS for n in e.sizes
    ]
    rows = [cells(line) for line in lines("coverage")[2:]]
    assert [(r[0], r[1], r[2], r[4]) for r in rows] == wanted, HOW


@pytest.mark.parametrize(
    ("method", "data", "n"),
    [
        ("pairs, signed ranks", "both alike, 20 ms apart", 25),
        ("median, Kaplan–Meier", "half cut short", 25),
    ],
)
def test_a_cell_of_the_table_is_found_again_to_the_digit(method: str, data: str, n: int) -> None:
    assert coverage.row(BY_NAME[method, data], n) in lines("coverage"), HOW


def test_a_row_of_the_power_table_is_found_again_to_the_digit() -> None:
    effect = power.EFFECTS[1]
    assert stats_coverage.power_row(effect, 0.03) in lines("power"), HOW


def test_the_tables_of_alarms_gates_and_power_have_the_scripts_sizes() -> None:
    rows = [cells(line) for line in lines("alarms")[2:]]
    assert [(int(r[0]), int(r[4])) for r in rows] == list(stats_coverage.ALARM_SIZES.items()), HOW
    assert len(lines("gates")) == 2 + 2 * len(stats_coverage.SLOWER_SIZES) * len(power.GATES), HOW
    assert len(lines("power")) == 2 + len(power.EFFECTS) * len(power.SCATTERS), HOW


def test_an_agent_compared_with_itself_raises_an_alarm_in_at_most_5_percent() -> None:
    for line in lines("alarms")[2:]:
        _, alarm, without_holm, held, samples = cells(line)
        share = float(alarm.removesuffix(" %")) / 100
        # A true 5 % shows up as so much in so many samples, at most, 97.5 times of 100.
        assert share <= 0.05 + 2 * (0.05 * 0.95 / int(samples)) ** 0.5
        assert float(without_holm.removesuffix(" %")) > 5
        assert float(held.removesuffix(" %")) >= 95


def test_every_interval_that_is_used_for_medians_tails_pairs_and_rates_covers_95_percent() -> None:
    for line in lines("coverage")[2:]:
        method, _, _, share, samples = cells(line)
        if "not used" in method or method.startswith("mean"):
            continue
        slack = 3 * (0.05 * 0.95 / int(samples)) ** 0.5
        assert float(share.removesuffix(" %")) / 100 >= 0.95 - slack, line


def test_the_bootstrap_of_p95_covers_too_little_at_25_which_is_why_it_is_not_used() -> None:
    (line,) = [x for x in lines("coverage") if x.startswith("| p95, BCa") and "| 25 |" in x]
    assert float(cells(line)[3].removesuffix(" %")) < 80


def test_the_n_that_a_comparison_gives_is_about_the_n_that_the_simulation_finds() -> None:
    # Of 25 pairs with 6 % of scatter, what compare says is needed for 30 ms; and the table's n.
    from bench.simulated.latencies import log_normal, with_tail
    from bench.stats.differences import typical

    rng = np.random.default_rng(1)
    told = []
    for _ in range(100):
        sentence = log_normal(rng, 50)
        base, other = (with_tail(rng, sentence * rng.lognormal(0, 0.06, 50)) for _ in range(2))
        n = typical((other - base).tolist()).needed(30, 0.05)
        assert n is not None
        told.append(n)
    (line,) = [x for x in lines("power") if x.startswith("| 30 ms of 400 | 6 % |")]
    found = int(cells(line)[2])
    assert found / 1.6 <= np.median(told) <= found * 1.6
