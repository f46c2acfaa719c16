"""Conditions of a network: what it does to packets, each way. Numbers only; nothing is played here.

Loss comes in bursts by the model of Gilbert and Elliott: a chain of two states, good and bad,
steps once a packet; packets are lost in the bad one only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from pipelines.guards.ranges import Range, Seed


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of a network: ``[network.up]``, user to agent, or ``[network.down]``."""

    delay_ms: Annotated[float, Range(0, 10_000, "ms")] = 0.0
    """Delay of a packet that meets no jitter."""
    jitter_ms: Annotated[float, Range(0, 5_000, "ms")] = 0.0
    """Standard deviation of the delay; packets never overtake each other."""
    loss_percent: Annotated[float, Range(0, 90, "%")] = 0.0
    """Share of the packets that are lost."""
    burst_packets: Annotated[float, Range(0, 1_000, "packets")] = 0.0
    """Mean stay in the bad state, packets; 0: each packet is lost for itself."""
    bad_loss_percent: Annotated[float, Range(0.1, 100, "%")] = 100.0
    """Share of the packets that are lost in the bad state."""
    stall_every_s: Annotated[float, Range(0, 3_600, "s")] = 0.0
    """Mean time from the end of a stall to the next one; 0: there is none."""
    stall_ms: Annotated[float, Range(0, 30_000, "ms")] = 0.0
    """Length of a stall: what would arrive in it arrives at its end."""

    def __post_init__(self) -> None:
        if self.loss_percent and self.loss_percent >= self.bad_loss_percent and self.burst_packets:
            raise ValueError("loss_percent must be less than bad_loss_percent")
        if self.enters_bad > 1:
            raise ValueError("burst_packets is too short for so large a loss_percent")
        if bool(self.stall_every_s) != bool(self.stall_ms):
            raise ValueError("stall_every_s and stall_ms belong together")

    @property
    def bad_share(self) -> float:
        """Share of the packets that meet the bad state."""
        return self.loss_percent / (self.bad_loss_percent if self.burst_packets else 100.0)

    @property
    def leaves_bad(self) -> float:
        """Probability of a step from the bad state to the good one."""
        return 1 / self.burst_packets if self.burst_packets else 1 - self.bad_share

    @property
    def enters_bad(self) -> float:
        """Probability of a step from the good state to the bad one."""
        return self.bad_share * self.leaves_bad / (1 - self.bad_share)

    @property
    def lost_in_bad(self) -> float:
        """Probability that a packet is lost in the bad state."""
        return self.bad_loss_percent / 100 if self.burst_packets else 1.0

    @property
    def loss_run_packets(self) -> float:
        """Mean number of packets that are lost in a row, once one is."""
        return 1 / (1 - (1 - self.leaves_bad) * self.lost_in_bad)

    def text(self) -> str:
        """Its numbers in a few words; ``nothing`` where it does nothing."""
        parts = []
        if self.delay_ms or self.jitter_ms:
            spread = f" ± {self.jitter_ms:g}" if self.jitter_ms else ""
            parts.append(f"{self.delay_ms:g}{spread} ms")
        if self.loss_percent:
            burst = f" in bursts of {self.burst_packets:g}" if self.burst_packets else ""
            of_bad = f" of {self.bad_loss_percent:g} %" if self.bad_loss_percent < 100 else ""
            parts.append(f"{self.loss_percent:g} % lost{burst}{of_bad}")
        if self.stall_ms:
            parts.append(f"stalls of {self.stall_ms:g} ms every {self.stall_every_s:g} s")
        return ", ".join(parts) or "nothing"


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """``[network]`` of a preset: a named network, or both ways in numbers."""

    name: str = ""
    """A named network: ``duplex-lab networks`` lists them."""
    up: Mapping[str, Any] = field(default_factory=dict)
    """User to agent: fields of `Direction`."""
    down: Mapping[str, Any] = field(default_factory=dict)
    """Agent to user: fields of `Direction`."""
    seed: Seed = 0
    """Of what is random; the same in every preset of a run."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that stands between a user and an agent."""

    name: str
    """Name among the rows of `pipelines.network.named`, or ``own``."""
    up: Direction
    """User to agent."""
    down: Direction
    """Agent to user."""
    source: str = ""
    """Where its numbers come from; empty: the preset."""
    what: str = ""
    """What it stands for, in a few words."""
    seed: int = 0
    """Of what is random."""

    @property
    def label(self) -> str:
        """What stands on the rows of a run; the same text, the same network."""
        own = f": up {self.up.text()}; down {self.down.text()}" if self.name == OWN else ""
        return f"{self.name}{own}" + (f"; seed {self.seed}" if self.seed else "")

    @property
    def round_trip_ms(self) -> float:
        """Delay of both ways, without jitter."""
        return self.up.delay_ms + self.down.delay_ms


OWN = "own"
"""Name of a network whose numbers stand in the preset."""


def changed(direction: Direction) -> dict[str, float]:
    """The numbers of a direction that are not its defaults."""
    return {
        part.name: getattr(direction, part.name)
        for part in fields(Direction)
        if getattr(direction, part.name) != part.default
    }
