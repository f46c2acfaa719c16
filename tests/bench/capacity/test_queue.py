"""A queue of known waits, and the agent that is one."""

import pytest

from bench.simulated.queue import largest_rate, waits_s


def test_the_mean_wait_of_one_server_is_that_of_pollaczek_and_khinchine():
    # M/D/1: rho D / (2 (1 - rho))
    for rho in (0.3, 0.6, 0.8):
        wait_s = rho * 2.0 / 2 / (1 - rho)
        assert waits_s(rho / 2.0, 2.0, 1).mean() == pytest.approx(wait_s, rel=0.06)


def test_with_more_servers_than_customers_nobody_waits():
    assert waits_s(1.0, 0.1, 50).max() == 0.0


def test_the_largest_rate_is_where_the_condition_ends():
    # A mean wait of D / 2 is reached by one server at rho = 1/2.
    rate = largest_rate(2.0, 1, lambda waits: bool(waits.mean() <= 1.0))
    assert rate == pytest.approx(0.25, rel=0.05)
