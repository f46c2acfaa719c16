"""A sound card: what a conversation on this machine needs of it. Blocks are float32, mono.

A card calls back on a thread of its own, in which there is time for queueing and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipelines.errors import LabError
from pipelines.spec import did_you_mean

RATE_HZ = 24_000
"""Rate at which devices are opened; one that has not got it is opened at its own."""
BLOCK_MS = 10
"""Length of a block, ms."""

Floats = npt.NDArray[np.float32]
Take = Callable[[Floats, int], None]
"""Takes a block of a microphone's, (n,), and when its last sample was taken, ns."""
Fill = Callable[[int, int], Floats]
"""Gives the next n samples for a speaker, (n,); the second argument says when the first of them
will sound, ns."""
Lost = Callable[[str], None]
"""Takes one sentence once a device is gone."""


class DeviceError(LabError):
    """A device can't be used; one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone, a speaker, or both."""

    number: int
    """Its number on this machine."""
    name: str
    inputs: int
    """Channels that it records."""
    outputs: int
    """Channels that it plays."""
    rate_hz: int
    """Its own rate."""
    default: str = ""
    """``input``, ``output`` or ``input, output`` where it is taken unless another is named."""


class SoundCard(Protocol):
    """The devices of a machine."""

    def devices(self) -> Sequence[Device]:
        """All of them.

        Raises:
            DeviceError: they can't be listed.
        """

    def microphone(self, device: Device, take: Take, lost: Lost) -> AbstractContextManager[int]:
        """Records within the block; gives the rate, Hz.

        Raises:
            DeviceError: it can't be opened.
        """

    def speaker(self, device: Device, fill: Fill, lost: Lost) -> AbstractContextManager[int]:
        """Plays within the block; gives the rate, Hz.

        Raises:
            DeviceError: it can't be opened.
        """


def chosen(devices: Sequence[Device], wanted: str, side: str) -> Device:
    """The device that is meant.

    Args:
        devices: All of the machine.
        wanted: A number, a name, or a part of one name; empty: the default, or the first.
        side: ``input``, ``output``, or ``second``: an input that is only recorded.

    Raises:
        DeviceError: there is none, or several; one sentence.
    """
    word = "speaker" if side == "output" else "microphone"
    able = [d for d in devices if (d.outputs if side == "output" else d.inputs) > 0]
    if not able:
        raise DeviceError(
            f"This machine has no {word}: connect one, or talk by the browser of another machine "
            "(duplex-lab talk --https)."
        )
    if not wanted:
        return next((d for d in able if side in d.default), able[0])
    if wanted.isdecimal():
        found = [d for d in able if d.number == int(wanted)]
    else:
        found = [d for d in able if d.name == wanted]
        found = found or [d for d in able if wanted.casefold() in d.name.casefold()]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{d.number} {d.name}" for d in found or able)
    if found:
        raise DeviceError(f"--{side} {wanted}: several devices are called so: {known}.")
    near = did_you_mean(wanted, [d.name for d in able])
    raise DeviceError(f"--{side} {wanted}: there is no such {word}{near}; there are: {known}.")
