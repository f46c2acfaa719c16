"""Sound cards without a sound: one that has no devices, and one that a test plays by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.clock import NS_PER_MS, NS_PER_S, FakeClock
from pipelines.server.devices.card import (
    BLOCK_MS,
    RATE_HZ,
    Device,
    Fill,
    Floats,
    Lost,
    Take,
)


class NullCard:
    """A machine without a sound card, as every server is."""

    def devices(self) -> Sequence[Device]:
        """None."""
        return []

    def microphone(
        self, device: Device, take: Take, lost: Lost
    ) -> contextlib.AbstractContextManager[int]:
        """Is never asked for: there is no device to name."""
        raise AssertionError("a card without devices was opened")

    def speaker(
        self, device: Device, fill: Fill, lost: Lost
    ) -> contextlib.AbstractContextManager[int]:
        """Is never asked for: there is no device to name."""
        raise AssertionError("a card without devices was opened")


ROOM = (
    Device(0, "Room microphone", 1, 0, RATE_HZ, "input"),
    Device(1, "Room speaker", 0, 1, RATE_HZ, "output"),
    Device(2, "Monitor of the room", 2, 0, 48_000),
)
"""The devices of `FakeCard`."""


@dataclass(slots=True)
class FakeCard:
    """A card whose time moves only by `advance`: block by block, as a real one calls back.

    Its speaker stands beside its microphones: what it plays is heard in every one of them,
    ``echo`` times as loud and 10 ms later.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    echo: float = 0.0
    played: list[Floats] = field(default_factory=list)
    """Blocks that the speaker has played."""
    open_devices: set[str] = field(default_factory=set)
    """Names of the devices that are open."""
    _takes: dict[str, tuple[Device, Take]] = field(default_factory=dict)
    _lost: dict[str, Lost] = field(default_factory=dict)
    _fill: Fill | None = None

    def devices(self) -> Sequence[Device]:
        """A microphone, a speaker, and a second microphone."""
        return ROOM

    @contextlib.contextmanager
    def microphone(self, device: Device, take: Take, lost: Lost) -> Iterator[int]:
        """Records within the block."""
        self._takes[device.name] = device, take
        with self._held(device, lost):
            yield device.rate_hz
        del self._takes[device.name]

    @contextlib.contextmanager
    def speaker(self, device: Device, fill: Fill, lost: Lost) -> Iterator[int]:
        """Plays within the block."""
        self._fill = fill
        with self._held(device, lost):
            yield device.rate_hz
        self._fill = None

    def advance(self, level: float = 0.0, blocks: int = 1) -> None:
        """Lets some blocks of 10 ms pass, in each of which every microphone hears one level."""
        for _ in range(blocks):
            now_ns = self.clock()
            before = self.played[-1] if self.played else np.zeros(1, np.float32)
            if self._fill is not None:
                self.played.append(self._fill(RATE_HZ * BLOCK_MS // 1000, now_ns))
            self.clock.advance(BLOCK_MS * NS_PER_MS)
            heard = level + self.echo * float(before[-1])
            for device, take in list(self._takes.values()):
                samples = device.rate_hz * BLOCK_MS // 1000
                take(
                    np.full(samples, heard, np.float32),
                    now_ns + samples * NS_PER_S // device.rate_hz,
                )

    def unplug(self, name: str) -> None:
        """Takes a device away."""
        self._lost[name](f"the device {name} has gone")

    @contextlib.contextmanager
    def _held(self, device: Device, lost: Lost) -> Iterator[None]:
        self.open_devices.add(device.name)
        self._lost[device.name] = lost
        try:
            yield
        finally:
            self.open_devices.discard(device.name)
