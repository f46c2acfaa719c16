"""The world of a pipeline, given to its builder by whoever runs it (the bench, a voice server, a
notebook).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.marks import MarkSink
from pipelines.spec import PipelineSpec

if TYPE_CHECKING:
    from pipecat.transports.base_transport import BaseTransport, TransportParams

    from pipelines.process.pool import ModelPool

DUE_NS = "due_ns"
"""Key of an input audio frame's metadata, where the host knows it: the due time of its last sample,
ns on the machine's clock. A late pipeline sees the frame later, and must not count from then."""


class LeftEarly(str):
    """What a conversation's agent says of itself when it ended the call, one sentence.

    It is a fault only where the agent had not answered by then, which the caller knows.
    """

    __slots__ = ()
    excused_by = ("hung_up",)
    """Statuses of the caller's with which it is no fault."""


class Survived(str):
    """An error that a conversation's pipeline reported and went on, one sentence.

    It is a fault only where the agent had not answered, which the caller knows.
    """

    __slots__ = ()
    excused_by = ("ok", "hung_up")
    """Statuses of the caller's with which it is no fault."""


@dataclass(slots=True)
class LabelFeed:
    """The fixture's labels, for scripted presets only: a real agent must never see them."""

    speech: list[tuple[int, int]] = field(default_factory=list)
    """(u_on_ns, u_off_ns) of each turn that has been scheduled so far, on the machine's clock."""


class Skills(Protocol):
    """Functions that whoever runs a pipeline offers to its language model."""

    def declared(self) -> Sequence[Mapping[str, Any]]:
        """Each as a table: name, description, parameters (JSON Schema of an object)."""

    async def call(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> Any:
        """Runs one; what it returns goes to the model, also of a call that is refused or late."""


@dataclass(slots=True)
class Host:
    """The world of one pipeline instance: one trial in the bench."""

    spec: PipelineSpec
    transport: BaseTransport
    """The transport: its ``input()`` and ``output()`` are the pipeline's two ends."""
    marks: MarkSink
    models: ModelPool
    """Warm model processes that outlive this pipeline."""
    scene: str | None = None
    """The scene that the robot sees, in plain sentences, for the language model."""
    labels: LabelFeed | None = None
    """The labels of the turns; set only where ``spec.sees_labels``."""
    trial_id: str = ""
    """Repeat number of the bench's trial; scripted presets draw their delays by it."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Values from a caller of the bench to an architecture of its own."""
    before_answer: Sequence[Any] = ()
    """Processors of the host's between the user's turn and the language model, in a cascade."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the conversation is over, or must end."""
    open_transport: Callable[[TransportParams | None], BaseTransport] | None = None
    """Makes the transport with the pipeline's own parameters, for an architecture that runs
    another's pipeline."""
    skills: Skills | None = None
    """Functions for the language model; None: none."""
    watch: Callable[[Any], None] | None = None
    """Attaches the host's observers to a PipelineWorker, for the same architectures."""

    def options(self, stage: str) -> Any:
        """The options dataclass of a stage."""
        return self.spec.stages[stage]
