"""A line: the protocol between the caller and an agent, seen from the caller.

A line does no input or output and reads no clock: it turns bytes into events and the user's chunks
into bytes. Its module ends in its `ROW`, and a fake peer of it lies in ``bench/lines/fakes/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt


class LineError(Exception):
    """The peer does not speak the line's protocol, or refuses; one sentence that says how."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of the user's audio on its way to the agent."""

    k: int
    """Its index, from 0."""
    due_ns: int
    """Due time of its last sample, on the machine's clock."""
    pcm: npt.NDArray[np.int16]  # (n,) at the caller's rate


@dataclass(frozen=True, slots=True)
class Ready:
    """The agent listens."""

    rate_hz: int
    """Rate of the audio that it will send."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A chunk of the agent's audio has arrived."""

    chunk_id: str
    """Unique within the trial; the request id of its marks."""
    generation: int
    """Number of clears that the agent had sent before it."""
    pcm: npt.NDArray[np.int16]  # (n,) at the rate of `Ready`


@dataclass(frozen=True, slots=True)
class Clear:
    """Audio that is not yet heard, and is older than ``generation``, is to be dropped."""

    generation: int


@dataclass(frozen=True, slots=True)
class Bye:
    """The agent ends the conversation."""

    reason: str = ""
    """Its words, if any."""


@dataclass(frozen=True, slots=True)
class Work:
    """The agent reports how much of its work is open."""

    open_requests: int
    """Requests of a language model, a function or a synthesiser that have not ended."""


Event = Ready | Audio | Clear | Bye | Work


class Line(Protocol):
    """One conversation's codec."""

    def hello(self) -> bytes:
        """Bytes that the caller sends first, once connected."""

    def feed(self, data: bytes) -> list[Event]:
        """Takes bytes, however they were split on their way; returns every event now whole.

        Raises:
            LineError: they are not of this protocol, or the peer refuses.
        """

    def owed(self) -> bytes:
        """Bytes that the protocol itself must send after `feed` (a pong, say); empty: none."""

    def encode(self, chunk: Chunk) -> bytes:
        """A chunk of the user's audio, as bytes."""

    def labels(self, turn: int, on_ns: int, off_ns: int) -> bytes:
        """A turn's labels, for an agent that may see them; empty where the line carries none."""

    def bye(self) -> bytes:
        """Bytes that the caller sends before it hangs up."""


@dataclass(frozen=True, slots=True)
class LineChoice:
    """The line of a trial, with its options."""

    name: str
    """Key of the lines' rows."""
    url: str = ""
    """The agent's address, for lines on which the caller dials."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the line."""


LOCAL = LineChoice("local")
"""The line of an agent that the lab itself starts."""


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of the table."""

    name: str
    """Name in a `LineChoice`; its module is called so too, with underscores for hyphens."""
    what: str
    """The protocol, in a few words."""
    connects: Literal["agent", "caller"]
    """The side that opens the connection: an agent that the lab starts, or the caller, to the
    agent's URL."""
    make: Callable[..., Line]
    """Makes the codec of one conversation: ``make(url, **options)``."""
