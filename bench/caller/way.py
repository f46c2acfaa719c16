"""One way of a simulated network, as arithmetic: when each packet arrives, and which are lost.

Nothing waits here and no clock is read. On a line over packets a lost one never arrives. On a line
over TCP it comes again, and all that follows waits for it:

- after three later packets have arrived, and a round trip more (RFC 5681, fast retransmit);
- or after the retransmission time-out, whichever is sooner: the round trip, and the least variance
  that Linux allows for, `RTO_LEAST_MS` (RFC 6298; TCP_RTO_MIN = HZ/5 in Linux's include/net/tcp.h).

A packet that is sent again is taken to arrive.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Generic, Protocol, TypeVar

from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.network.conditions import Direction

RTO_LEAST_MS = 200
"""Least time beyond the round trip after which TCP sends a packet again, ms."""
LATER_PACKETS = 3
"""Later packets whose arrival makes TCP send a packet again at once."""

T = TypeVar("T")


@dataclass(slots=True)
class Fate:
    """What the network does to one packet."""

    sent_ns: int
    arrives_ns: int
    """Time of its arrival; of a lost one, the time at which it would have arrived."""
    is_lost: bool = False
    stall_ns: int = 0
    """End of the stall that it meets; 0: it meets none."""
    later: int = 0
    """Of a lost one: later packets that have arrived."""


@dataclass(frozen=True, slots=True)
class Passed(Generic[T]):
    """Something that has passed the network."""

    item: T
    sent_ns: int
    arrives_ns: int
    fates: tuple[Fate, ...]
    """Of its packets; none: it was held up by what was sent before it, if at all."""

    @property
    def added_ns(self) -> int:
        """Delay that the network added."""
        return self.arrives_ns - self.sent_ns

    @property
    def lost(self) -> int:
        """Number of its packets that were lost."""
        return sum(fate.is_lost for fate in self.fates)

    @property
    def stall_ns(self) -> int:
        """End of the last stall that one of its packets met; 0: none."""
        return max((fate.stall_ns for fate in self.fates), default=0)


class Channel:
    """What happens to the packets of one way: delay, jitter, loss, stalls.

    Each is random by a generator of its own, so that more of one leaves the others as they were.

    Args:
        direction: The numbers.
        seed: The same seed gives the same packets the same fates.
        start_ns: Time from which stalls are counted.
    """

    def __init__(self, direction: Direction, seed: str, start_ns: int) -> None:
        self._direction = direction
        self._jitter, self._loss, self._stalls = (
            Random(f"{seed}/{what}") for what in ("jitter", "loss", "stalls")
        )
        self._is_bad = self._loss.random() < direction.bad_share
        self._stall_ns, self._stall_end_ns = start_ns, start_ns
        self._sent_ns, self._delay_ns = -1, 0

    def packet(self, sent_ns: int) -> Fate:
        """The fate of the next packet.

        Args:
            sent_ns: When it is sent; packets of one moment have one delay.
        """
        if sent_ns != self._sent_ns:
            self._sent_ns, self._delay_ns = sent_ns, self._delay()
        arrives_ns = sent_ns + self._delay_ns
        free_ns = self._after_stall(arrives_ns)
        return Fate(sent_ns, free_ns, self._is_lost(), free_ns if free_ns > arrives_ns else 0)

    @property
    def delay_ns(self) -> int:
        """Delay of a packet that meets no jitter."""
        return round(self._direction.delay_ms * NS_PER_MS)

    def _delay(self) -> int:
        spread_ms = self._direction.jitter_ms
        ms = self._jitter.gauss(self._direction.delay_ms, spread_ms) if spread_ms else None
        return self.delay_ns if ms is None else max(0, round(ms * NS_PER_MS))

    def _is_lost(self) -> bool:
        direction = self._direction
        if not direction.loss_percent:
            return False
        leaves, lost = self._loss.random(), self._loss.random()
        if self._is_bad:
            self._is_bad = leaves >= direction.leaves_bad
        else:
            self._is_bad = leaves < direction.enters_bad
        return self._is_bad and lost < direction.lost_in_bad

    def _after_stall(self, at_ns: int) -> int:
        """A time, or the end of the stall in which it lies."""
        if not self._direction.stall_ms:
            return at_ns
        while self._stall_end_ns <= at_ns:
            free_ns = self._stalls.expovariate(1 / self._direction.stall_every_s) * NS_PER_S
            self._stall_ns = self._stall_end_ns + round(free_ns)
            self._stall_end_ns = self._stall_ns + round(self._direction.stall_ms * NS_PER_MS)
        return self._stall_end_ns if self._stall_ns <= at_ns else at_ns


@dataclass(slots=True)
class _Held(Generic[T]):
    item: T
    sent_ns: int
    fates: list[Fate]


class Fates(Protocol):
    """What decides on packets: a `Channel`."""

    @property
    def delay_ns(self) -> int:
        """Delay of what is never lost, and meets no jitter."""

    def packet(self, sent_ns: int) -> Fate:
        """The fate of the next packet."""


class Way(Generic[T]):
    """A queue of what is under way, in its order.

    Args:
        channel: The packets' fates.
        round_trip_ms: Delay of both ways, for what TCP does about a loss.
        is_stream: Whether the line runs over TCP, so that nothing is lost for good.
    """

    def __init__(self, channel: Fates, round_trip_ms: float, *, is_stream: bool) -> None:
        self._channel = channel
        self._round_trip_ns = round(round_trip_ms * NS_PER_MS)
        self._is_stream = is_stream
        self._held: deque[_Held[T]] = deque()
        self._waiting: list[Fate] = []
        """Lost packets for which too few later ones have arrived."""
        self._last_ns = 0
        """Arrival of what has arrived last: nothing overtakes it."""
        self._newest_ns = 0
        """Arrival of the packet that was sent last."""

    def fates(self, sent_ns: int, packets: int) -> list[Fate]:
        """The fates of the next packets, to be given to `put`.

        The network may still change those of lost ones on a line over TCP.
        """
        return [self._packet(sent_ns) for _ in range(packets)]

    def put(self, item: T, sent_ns: int, fates: list[Fate] | None = None) -> None:
        """Sends something.

        Args:
            item: Anything.
            sent_ns: The time now.
            fates: Of its packets; None: it is never lost, and meets no jitter.
        """
        self._held.append(_Held(item, sent_ns, fates or []))

    @property
    def next_ns(self) -> int | None:
        """Arrival of the next one, as far as it is known; None: nothing is under way."""
        return self._arrival(self._held[0]) if self._held else None

    @property
    def next_item(self) -> T | None:
        """The next one; None: nothing is under way."""
        return self._held[0].item if self._held else None

    def take(self, now_ns: int) -> Passed[T] | None:
        """The next one that has arrived by now; None: none has."""
        if not self._held or (arrives_ns := self._arrival(self._held[0])) > now_ns:
            return None
        held = self._held.popleft()
        self._last_ns = arrives_ns
        self._waiting = [fate for fate in self._waiting if fate.arrives_ns > arrives_ns]
        return Passed(held.item, held.sent_ns, arrives_ns, tuple(held.fates))

    def take_all(self) -> list[T]:
        """Everything that is still under way."""
        items = [held.item for held in self._held]
        self._held.clear()
        return items

    def _arrival(self, held: _Held[T]) -> int:
        own_ns = max(
            (fate.arrives_ns for fate in held.fates), default=held.sent_ns + self._channel.delay_ns
        )
        return max(own_ns, self._last_ns)

    def _packet(self, sent_ns: int) -> Fate:
        fate = self._channel.packet(sent_ns)
        if not self._is_stream:
            fate.arrives_ns = self._newest_ns = max(fate.arrives_ns, self._newest_ns)
            return fate
        if fate.is_lost:
            fate.arrives_ns += self._round_trip_ns + RTO_LEAST_MS * NS_PER_MS
            self._waiting.append(fate)
            return fate
        for lost in self._waiting:
            lost.later += 1
            if lost.later == LATER_PACKETS:
                again_ns = fate.arrives_ns + self._round_trip_ns
                lost.arrives_ns = min(lost.arrives_ns, again_ns)
        self._waiting = [lost for lost in self._waiting if lost.later < LATER_PACKETS]
        return fate


def packets_of(size: int) -> int:
    """Number of packets that so many bytes take over TCP, at least one."""
    return max(1, math.ceil(size / SEGMENT_BYTES))


SEGMENT_BYTES = 1448
"""Bytes of a TCP segment on Ethernet with time stamps: 1500 less 40 of headers and 12 of options
(RFC 879, RFC 7323)."""
