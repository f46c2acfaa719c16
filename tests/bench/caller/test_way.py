"""One way of a simulated network: delays, bursts of loss, stalls, and TCP's answer to a loss."""

from itertools import groupby

import pytest

from bench.caller.way import Channel, Fate, Way, packets_of
from pipelines.network.conditions import Direction

MS = 1_000_000


def channel(seed="s", **numbers):
    return Channel(Direction(**numbers), seed, 0)


def fates(count, seed="s", every_ms=20, **numbers):
    one = channel(seed, **numbers)
    return [one.packet(k * every_ms * MS) for k in range(count)]


class Scripted:
    """A channel of known fates: packets that are lost by their numbers, and a constant delay."""

    @property
    def delay_ns(self):
        return 30 * MS

    def __init__(self, *lost):
        self._lost, self._count = lost, 0

    def packet(self, sent_ns):
        self._count += 1
        return Fate(sent_ns, sent_ns + self.delay_ns, self._count - 1 in self._lost)


def arrivals(lost, count, *, is_stream=True, every_ms=20):
    """Arrival of each of ``count`` packets, ms, over 60 ms there and back."""
    way: Way[int] = Way(Scripted(*lost), 60.0, is_stream=is_stream)
    for k in range(count):
        way.put(k, k * every_ms * MS, way.fates(k * every_ms * MS, 1))
    passed = [way.take(10**12) for _ in range(count)]
    assert [one.item for one in passed] == list(range(count))
    return [one.arrives_ns // MS for one in passed]


def test_a_network_that_does_nothing_delays_nothing():
    assert all(f.arrives_ns == f.sent_ns and not f.is_lost for f in fates(100))


def test_losses_come_in_bursts_as_the_formula_of_gilbert_and_elliott_says():
    numbers = Direction(loss_percent=3, burst_packets=4, bad_loss_percent=50)
    one = Channel(numbers, "s", 0)
    lost = [one.packet(0).is_lost for _ in range(200_000)]
    runs = [len(list(run)) for is_lost, run in groupby(lost) if is_lost]
    assert 100 * sum(lost) / len(lost) == pytest.approx(3.0, abs=0.15)
    assert sum(runs) / len(runs) == pytest.approx(numbers.loss_run_packets, abs=0.03)  # 1.6


def test_jitter_has_its_standard_deviation_and_is_never_negative():
    ms = [(f.arrives_ns - f.sent_ns) / MS for f in fates(20_000, delay_ms=40, jitter_ms=10)]
    mean = sum(ms) / len(ms)
    assert mean == pytest.approx(40, abs=0.3)
    assert (sum((x - mean) ** 2 for x in ms) / len(ms)) ** 0.5 == pytest.approx(10, abs=0.3)
    assert min((f.arrives_ns - f.sent_ns) for f in fates(2_000, delay_ms=1, jitter_ms=10)) == 0


def test_a_stall_lets_nothing_pass_and_all_that_waited_comes_at_its_end():
    found = fates(60_000, every_ms=1, stall_every_s=1.0, stall_ms=100)
    ends = {f.stall_ns for f in found if f.stall_ns}
    assert len(ends) == pytest.approx(60 / 1.1, abs=15)
    for end_ns in ends:
        waited = [f for f in found if f.stall_ns == end_ns]
        assert {f.arrives_ns for f in waited} == {end_ns}
        assert max(end_ns - f.sent_ns for f in waited) <= 100 * MS


def test_a_seed_gives_the_same_fates_again_and_another_seed_others():
    numbers = {"delay_ms": 40, "jitter_ms": 10, "loss_percent": 10, "burst_packets": 2}
    assert fates(200, **numbers) == fates(200, **numbers)
    assert fates(200, **numbers) != fates(200, seed="t", **numbers)


def test_more_loss_leaves_the_delays_as_they_were():
    quiet, lossy = (fates(200, delay_ms=40, jitter_ms=10, loss_percent=p) for p in (0, 30))
    assert [f.arrives_ns for f in quiet] == [f.arrives_ns for f in lossy]
    assert sum(f.is_lost for f in lossy) > 20


def test_over_tcp_a_lost_packet_comes_again_a_round_trip_after_three_later_ones():
    # Sent at 0, 20, 40, 60: the third later one arrives at 90, and a round trip is 60.
    assert arrivals({0}, 5) == [150, 150, 150, 150, 150]
    assert arrivals({0}, 9)[-2:] == [170, 190]


def test_over_tcp_a_lost_packet_without_three_later_ones_waits_for_the_timeout():
    assert arrivals({0}, 2) == [290, 290]  # 30 + (60 + 200)


def test_over_tcp_a_burst_is_made_good_together():
    # 0, 1 and 2 are lost: 3, 4 and 5 arrive at 90, 110 and 130.
    assert arrivals({0, 1, 2}, 6) == [190] * 6


def test_over_packets_a_lost_one_costs_no_other_any_time():
    assert arrivals({1}, 4, is_stream=False) == [30, 50, 70, 90]


def test_nothing_overtakes():
    one: Way[int] = Way(channel(delay_ms=50, jitter_ms=40), 100.0, is_stream=False)
    for k in range(200):
        one.put(k, k * MS, one.fates(k * MS, 1))
    passed = [one.take(10**12) for _ in range(200)]
    times = [p.arrives_ns for p in passed]
    assert times == sorted(times)


def test_a_long_message_is_many_packets():
    assert [packets_of(size) for size in (1, 1448, 1449, 48_000)] == [1, 1, 2, 34]
