"""What a network would add to an answer that was measured without one: drawn packet by packet.

The packets are those of `bench.caller.network`, by the same arithmetic (`bench.caller.way`): the
chunk that the end of the turn was told from on its way up, and the first chunks of the answer on
their way down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.caller.way import RTO_LEAST_MS, Channel, Way
from bench.timeline.answers import Chunk
from pipelines.clock import NS_PER_MS
from pipelines.network.conditions import Direction, Network

AFTER = 5
"""Number of packets after the one that counts: they tell TCP that it was lost."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """A network between a user and an agent, drawn once."""

    network: Network
    is_stream: bool
    """Whether the line runs over TCP."""
    seed: str
    """The same seed gives the same packets the same fates."""

    def up_ns(self, at_ns: int, t0_ns: int, chunk_ms: int) -> int:
        """What is added to the chunk of the user's that was the last by some time.

        Args:
            at_ns: The time.
            t0_ns: The user's first sample.
            chunk_ms: Length of a chunk.
        """
        chunk_ns = chunk_ms * NS_PER_MS
        count = max(1, (at_ns - t0_ns) // chunk_ns)
        before = self._before_ns(self.network.up) // chunk_ns + 1
        first = max(1, count - before)
        sent = [t0_ns + i * chunk_ns for i in range(first, count + AFTER + 1)]
        arrived = self._passed(self.network.up, "up", sent)
        return arrived[count - first].arrives_ns - sent[count - first]

    def heard_ns(self, chunks: Sequence[Chunk], heard_ns: int, a_on_ns: int, late_ns: int) -> int:
        """When the answer would be heard.

        Args:
            chunks: The answer's chunks from its first one on, as they were written and heard.
            heard_ns: When the first would be heard without a network.
            a_on_ns: When its first audible sample would be.
            late_ns: How much later than measured the first chunk would be written, ns.
        """
        sent = [chunk.write_ns + late_ns for chunk in chunks]
        passed = self._passed(self.network.down, "down", sent)
        since = [(chunk.heard_ns or 0) - (chunks[0].heard_ns or 0) for chunk in chunks]
        offset = a_on_ns - heard_ns
        shift = passed[0].arrives_ns - sent[0]
        for one, begins, following in zip(passed, since, [*since[1:], None], strict=True):
            # The ear plays a chunk after the one before it, and not before it is there.
            shift = max(shift, one.arrives_ns - heard_ns - begins)
            is_audible = following is None or offset < following
            if is_audible and (self.is_stream or not one.is_lost):
                return heard_ns + shift + max(begins, offset)
        return a_on_ns + shift

    def _before_ns(self, way: Direction) -> int:
        """For how long before the one that counts packets may still hold it up."""
        trips = 2 * self.network.round_trip_ms + RTO_LEAST_MS
        return round((way.stall_ms + 6 * way.jitter_ms + trips) * NS_PER_MS)

    def _passed(self, way: Direction, name: str, sent_ns: Sequence[int]) -> list[_Arrival]:
        """When packets arrive that are sent at some times."""
        channel = Channel(way, f"{self.seed}/{name}", sent_ns[0])
        line: Way[int] = Way(channel, self.network.round_trip_ms, is_stream=self.is_stream)
        for i, at_ns in enumerate(sent_ns):
            line.put(i, at_ns, line.fates(at_ns, 1))
        found = []
        while line.next_ns is not None:
            passed = line.take(line.next_ns)
            assert passed is not None
            found.append(_Arrival(passed.arrives_ns, passed.lost > 0))
        return found


@dataclass(frozen=True, slots=True)
class _Arrival:
    arrives_ns: int
    is_lost: bool
