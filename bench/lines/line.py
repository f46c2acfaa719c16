"""A line: the protocol between the caller and an agent, seen from the caller.

A line does no input or output and reads no clock: it turns bytes into events and the user's chunks
into bytes. Its module ends in its `ROW`, and a fake peer of it lies in ``bench/lines/fakes/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from socket import socket
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from bench.lines.options import NoOptions
from pipelines.marks import EventName


class LineError(Exception):
    """The peer does not speak the line's protocol, or refuses; one sentence that says how."""


class ProtocolError(LineError):
    """A message is not of the line's protocol."""


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
    """Rate of the audio that it will send, where its messages don't state another."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A chunk of the agent's audio has arrived."""

    chunk_id: str
    """Unique within the trial; the request id of its marks."""
    generation: int
    """Number of clears that the agent had sent before it."""
    pcm: npt.NDArray[np.int16]  # (n,) at its rate
    rate_hz: int | None = None
    """Rate, where the message states it; None: that of `Ready`."""
    at_ns: int | None = None
    """Time at which it arrived, where a helper has stamped that; None: now."""


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


@dataclass(frozen=True, slots=True)
class Words:
    """Words of one side, as the agent reports them."""

    side: Literal["agent", "user", "error"]
    """``agent``: what it means to say; ``user``: what it understood; ``error``: a fault that it
    reports and survives."""
    text: str
    """Of the agent, a piece: pieces are joined as they are."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A chunk of the user's has left, where a helper sends it: see `Line.reports_sent`."""

    k: int
    """Its index."""
    at_ns: int
    """Time at which it left, on the machine's clock."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact about the transport, for a mark of the stage ``line``."""

    event: EventName
    """The mark's event, one of `pipelines.marks.EVENTS`."""
    value: float | None = None
    """The mark's value, in its unit; None: it has none."""
    text: str | None = None
    """The mark's text; None: it has none."""


Event = Ready | Audio | Clear | Bye | Work | Words | Sent | Fact


class Line(Protocol):
    """One conversation's codec."""

    reports_sent: bool
    """Whether `Sent` tells when a chunk of the user's has left; else it leaves with `encode`."""

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

    def turn_over(self) -> bytes:
        """The user's turn is over: bytes for an agent that is told so; empty: it finds out."""

    def written(self, text: str) -> bytes:
        """A turn that the user writes instead of speaking, as bytes.

        Raises:
            LineError: the protocol carries no text of the user's.
        """

    def played(self, samples: int) -> bytes:
        """Progress of the loudspeaker, reported at every chunk of the user's.

        Args:
            samples: Number of the agent's samples, in the order of their `Audio`, that were heard
                or dropped by now.

        Returns:
            Bytes that are due now; empty: none.
        """

    def cut(self, heard: int) -> bytes:
        """A `Clear` has been carried out.

        Args:
            heard: Number of the agent's samples that were heard when it came; those after are
                dropped.

        Returns:
            Bytes that are due now; empty: none.
        """

    def bye(self) -> bytes:
        """Bytes that the caller sends before it hangs up."""

    def remark(self) -> str:
        """What of the agent's messages was left unread, one sentence; empty: nothing."""


class QuietLine:
    """A line's answers where its protocol has nothing to say."""

    reports_sent = False

    def hello(self) -> bytes:
        """Nothing: the agent speaks first."""
        return b""

    def owed(self) -> bytes:
        """Nothing, ever."""
        return b""

    def labels(self, turn: int, on_ns: int, off_ns: int) -> bytes:
        """Nothing: this line carries no labels."""
        return b""

    def turn_over(self) -> bytes:
        """Nothing: the agent finds out."""
        return b""

    def written(self, text: str) -> bytes:
        """Nothing of the kind.

        Raises:
            LineError: always.
        """
        raise LineError("this line carries no text of the user's: --line stream does")

    def played(self, samples: int) -> bytes:
        """Nothing: the agent is not told."""
        return b""

    def cut(self, heard: int) -> bytes:
        """Nothing: the agent is not told."""
        return b""

    def bye(self) -> bytes:
        """Nothing: the connection is closed."""
        return b""

    def remark(self) -> str:
        """Nothing: every message is read."""
        return ""


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
    """Makes the codec of one conversation: ``make(url, **options)``, with ``headers`` among them on
    lines that ride on HTTP."""
    options: type = NoOptions
    """Frozen dataclass of ``options``."""
    paths: tuple[str, ...] = ()
    """Usual paths of an agent's address, the first one best."""
    carrier: Literal["tcp", "packets"] = "tcp"
    """What the protocol rides on, for a simulated network: over TCP a loss is a wait, over packets
    a hole."""
    in_rate_hz: Callable[[Mapping[str, Any]], int | None] = lambda options: None
    """Rate of the user's audio by the line's options, where the protocol has only one; None: the
    preset's."""
    packet_ms: float = 0.0
    """Audio that a message to the agent must hold before it is sent, ms; 0: the caller's chunk."""
    look_ahead_ms: float = 0.0
    """Delay of the codec, each way, ms."""
    buffer_ms: float = 0.0
    """Audio that the receiver's jitter buffer holds, each way, ms."""
    aim_ms: tuple[float, float] = (0.5, 2.0)
    """Largest error on loopback that is aimed at, beyond the fixed delays: of the median, and of
    the 99th percentile, ms."""
    helper: Callable[[], socket] | None = None
    """Starts the process that speaks the protocol for the caller, where one loop and one thread
    can't, and returns a connection to it. None: the caller dials the agent itself."""
    refusal: str = ""
    """Why it can't be spoken, and what to do instead; empty: it can."""
