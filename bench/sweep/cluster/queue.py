"""Which machine plays which shard next. No Ray here: names alone.

A machine stays with a run whose shards it has begun, so that the figures of a run come from as few
machines as can be; a shard that was lost is the next to be played.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TRIES = 3
"""Number of machines that may be lost under a shard before it is given up."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A shard that is to be played."""

    name: str
    cell: str
    """Name of its cell."""
    seconds: float
    """Its estimated duration, s."""


class Queue:
    """The shards that are left, and who plays them.

    Args:
        shards: The shards, in the order of the plan.
    """

    def __init__(self, shards: Iterable[Waiting]) -> None:
        self._known = {shard.name: shard for shard in shards}
        self._waiting = list(self._known)
        self._begun: dict[str, str] = {}
        """Cell → the machine that began it last."""
        self._lost: dict[str, int] = {}
        self.playing: dict[str, str] = {}
        """Shard → its machine."""
        self.aside: dict[str, str] = {}
        """Machine that gets no more → why."""
        self.given_up: list[str] = []
        """Shards that were lost too often."""

    @property
    def over(self) -> bool:
        """Whether nothing is left to play."""
        return not self._waiting and not self.playing

    @property
    def left_s(self) -> float:
        """Estimated time of what is not played yet, on one machine, s."""
        return sum(self._known[name].seconds for name in (*self._waiting, *self.playing))

    def next_for(self, machine: str) -> str | None:
        """The shard that a machine plays next; None: nothing for it."""
        if machine in self.aside or machine in self.playing.values() or not self._waiting:
            return None
        left_s: dict[str, float] = {}
        for one in map(self._known.__getitem__, self._waiting):
            left_s[one.cell] = left_s.get(one.cell, 0.0) + one.seconds
        name = min(self._waiting, key=lambda one: self._rank(one, machine, left_s))
        self._waiting.remove(name)
        self.playing[name] = machine
        self._begun[self._known[name].cell] = machine
        return name

    def _rank(
        self, name: str, machine: str, left_s: Mapping[str, float]
    ) -> tuple[bool, int, float]:
        """The least is the next: lost ones, then of the machine's own run, then of nobody's, then
        of the run that has most left; among equals the first of the plan.
        """
        cell = self._known[name].cell
        whose = self._begun.get(cell)
        if whose not in (machine, None):
            return name not in self._lost, 2, -left_s[cell]
        return name not in self._lost, 0 if whose == machine else 1, 0.0

    def played(self, name: str) -> None:
        """A shard has arrived."""
        del self.playing[name]

    def lost(self, name: str) -> None:
        """The machine that played a shard is gone."""
        self._lost[name] = self._lost.get(name, 0) + 1
        del self.playing[name]
        if self._lost[name] < TRIES:
            self._waiting.insert(0, name)
        else:
            self.given_up.append(name)

    def refused(self, name: str, why: str) -> None:
        """A machine can't play a shard: it gets no more."""
        self.aside[self.playing.pop(name)] = why
        self._waiting.insert(0, name)


def names_of(nodes: Mapping[str, str]) -> dict[str, str]:
    """A name for each node that is another's of none.

    Args:
        nodes: Id of every node that was ever seen, in the order in which they were → its own name.
    """
    found: dict[str, str] = {}
    for node_id, name in nodes.items():
        found[node_id] = f"{name}-{node_id[:6]}" if name in found.values() else name
    return found
