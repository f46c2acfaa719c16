"""Who keeps a conversation: a protocol that the bench fills with the store of its runs.

Nothing is kept unless somebody asks for it: the default log drops everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipelines.clock import NS_PER_S, ns_to_samples, samples_to_ns
from pipelines.marks import Mark
from pipelines.server.session.events import AudioIn, AudioOut, Event
from pipelines.spec import PipelineSpec


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation that is over."""

    name: str
    """Unique; fit for a file's name."""
    spec: PipelineSpec
    door: str
    """The protocol by which it came."""
    started_utc: str
    """ISO 8601."""
    t0_ns: int
    """When the recording's sample 0 is, on the machine's clock."""
    rate_hz: int
    """Rate of the recording."""
    stereo: npt.NDArray[np.int16]  # (n, 2): user, agent as heard
    marks: Sequence[Mark]
    events: Sequence[Event]
    """All events but audio."""
    reason: str
    """Why it ended; empty: it was asked to."""
    failed: bool
    second: npt.NDArray[np.int16] | None = None  # (n,), as long as ``stereo``
    """A second source beside the user's microphone, which the agent did not hear; None: none."""


class SessionLog(Protocol):
    """Keeps conversations."""

    @property
    def keeps(self) -> bool:
        """False if nothing need be gathered."""

    def keep(self, conversation: Conversation) -> None:
        """Writes one that is over; called on a thread of its own.

        Raises:
            LabError: it can't be written; one sentence.
        """


class NoLog:
    """Keeps nothing."""

    keeps = False

    def keep(self, conversation: Conversation) -> None:
        """Drops it."""


@dataclass(slots=True)
class Tape:
    """Both sides of a conversation as they were heard, gathered while it goes on.

    The agent's chunks are played one behind the other, and not before they were written; what an
    interruption finds unheard is cut.
    """

    in_rate_hz: int
    out_rate_hz: int
    t0_ns: int
    _user: list[tuple[int, bytes]] = field(default_factory=list)
    """(time of its first sample, samples)."""
    _agent: list[tuple[int, bytes]] = field(default_factory=list)
    _end_ns: int = 0

    def hear_user(self, chunk: AudioIn) -> None:
        """Takes a chunk of the user's."""
        length_ns = samples_to_ns(len(chunk.pcm) // 2, self.in_rate_hz)
        self._user.append((chunk.due_ns - length_ns, chunk.pcm))

    def hear_agent(self, chunk: AudioOut) -> None:
        """Takes a chunk of the agent's."""
        start_ns = max(chunk.t_ns, self._end_ns)
        self._end_ns = start_ns + samples_to_ns(chunk.samples, self.out_rate_hz)
        self._agent.append((start_ns, chunk.pcm))

    def clear(self, t_ns: int) -> None:
        """Cuts what is not yet heard."""
        while self._agent and self._agent[-1][0] >= t_ns:
            self._agent.pop()
        if self._agent:
            start_ns, pcm = self._agent[-1]
            heard = 2 * ns_to_samples(t_ns - start_ns, self.out_rate_hz)
            self._agent[-1] = start_ns, pcm[:heard]
        self._end_ns = min(self._end_ns, t_ns)

    def stereo(self) -> npt.NDArray[np.int16]:
        """(n, 2) at the agent's rate: user, agent."""
        from pipelines.audio.resample import resample

        user = self._laid(self._user, self.in_rate_hz)
        if len(user):
            user = resample(user, self.in_rate_hz, self.out_rate_hz)
        agent = self._laid(self._agent, self.out_rate_hz)
        both = np.zeros((max(len(user), len(agent)), 2), np.int16)
        both[: len(user), 0] = user
        both[: len(agent), 1] = agent
        return both

    def _laid(self, pieces: list[tuple[int, bytes]], rate_hz: int) -> npt.NDArray[np.int16]:
        """The pieces at their times; one that came early follows the one before."""
        laid: list[tuple[int, npt.NDArray[np.int16]]] = []
        end = 0
        for start_ns, data in pieces:
            pcm = np.frombuffer(data, np.int16)
            at = max(0, (start_ns - self.t0_ns) * rate_hz // NS_PER_S)
            # A piece that comes within a chunk of where the last ended is its neighbour: jitter
            # of the network is no silence.
            at = end if laid and at - end < len(pcm) else at
            laid.append((at, pcm))
            end = at + len(pcm)
        whole = np.zeros(end, np.int16)
        for at, pcm in laid:
            whole[at : at + len(pcm)] = pcm
        return whole
