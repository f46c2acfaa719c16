"""The caller's input for a trial, and its result: records only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.fixtures.fixture import CueEvent
from bench.lines.line import LOCAL, LineChoice
from bench.store.records import Status
from pipelines.marks import Mark
from pipelines.network.conditions import Network

SILENCE_AFTER_AGENT_S = 1.5
"""Silence of the agent after which a trial ends, where the fixture says nothing else."""

LONGEST_GREETING_S = 30.0
"""Longest wait for the end of a greeting, after the longest wait for its start: a channel that is
never silent may never end one."""


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """One turn of the user, as far as the caller needs to know it."""

    pcm: npt.NDArray[np.int16]  # (n,) at the fixture's rate
    u_on: int
    """First audible sample."""
    u_off: int
    """Sample after the last audible one."""
    after: CueEvent
    """Event that it waits for."""
    delay_ms: float
    """Time from the cue to the turn's first sample."""
    timeout_s: float
    """Longest wait for an answer (or for the cue)."""
    wait_s: float = SILENCE_AFTER_AGENT_S
    """Silence of the agent after which its answer is taken to be over."""
    expects_answer: bool = True
    """False: a good agent stays silent, and silence is no failure."""
    goes_on: bool = False
    """True: it is spoken even where the turn before got no answer in its time."""
    written: str = ""
    """Text that is sent at ``u_off`` in place of speech; ``pcm`` is silence then."""


@dataclass(frozen=True, slots=True)
class CallerPlan:
    """One trial, as the caller sees it."""

    trial_id: str
    in_rate_hz: int
    turns: tuple[CallerTurn, ...]
    limit_s: float
    """Longest duration of the trial."""
    sees_labels: bool = False
    """Scripted presets only: each turn's u_on and u_off are sent to the agent."""
    listens: bool = True
    """False: the trial ends a fixed silence after the last turn, whatever is heard. For models that
    babble without end, whose answers mean nothing."""
    preroll_ms: float = 0.0
    """Pre-roll B of the ear's jitter buffer."""
    stretch: bool = False
    """True if the ear stretches audio while its queue is short."""
    greeting_s: float = 0.0
    """Longest wait for an agent that may speak first; 0: no wait."""
    line: LineChoice = LOCAL
    """The protocol between caller and agent."""
    network: Network | None = None
    """The network that is simulated between them; None: none."""
    network_seed: str = ""
    """Of what is random in it: the same for the same fixture and repetition."""


@dataclass(slots=True)
class CallerResult:
    """The caller's result of one trial."""

    status: Status
    """``cut_off``: the limit was reached. ``ruler_late`` is found afterwards."""
    error: str | None
    """What failed, in one sentence."""
    t0_ns: int
    rate_hz: int
    """Rate of the recording: the agent's output rate; 0 where the agent never came."""
    marks: list[Mark] = field(default_factory=list)
    user: npt.NDArray[np.int16] | None = None  # (n,) at in_rate_hz
    agent: npt.NDArray[np.int16] | None = None  # (m,) at rate_hz
    chunks_sent: int = 0
    note: str | None = None
    """Why the trial reached its limit, in one sentence, where the ear can tell."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    rss_peak_mb: float = 0.0
