"""What answers in a conversation, behind one protocol: a pipeline, a step model, a service.

A *step* model turns one frame of audio into what comes of it (`pipelines.server.session.step`); an
*event-stream* backend says things at any time (`pipelines.server.session.pipeline`). Both are a
`Backend`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipelines.server.session.events import AudioIn, Event, Input

Emit = Callable[[Event], None]
"""Takes an event; on the loop's thread, and without waiting."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, as clients are told."""

    name: str
    in_rate_hz: int
    """Rate of the audio that it takes."""
    out_rate_hz: int
    """Rate of the audio that it gives."""
    modalities: tuple[str, ...] = ("voice-to-voice",)
    inputs: tuple[str, ...] = ("audio",)
    """Of audio, text, say, functions, tool_result, context, interrupt, respond."""
    full_duplex: bool = False
    """True if it hears while it speaks, and decides itself when to yield."""

    def as_table(self) -> dict[str, object]:
        """The same as a plain table."""
        table = dataclasses.asdict(self)
        return {key: list(v) if isinstance(v, tuple) else v for key, v in table.items()}


class Backend(Protocol):
    """The other side of one conversation."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    async def start(self, emit: Emit) -> None:
        """Gets ready to listen; from then on events go to ``emit``.

        An error that ends the conversation is a `Failure` with ``fatal``; after it there is
        nothing more.

        Raises:
            LabError: it can't be started; one sentence.
        """

    def push(self, chunk: AudioIn) -> None:
        """Takes a chunk of the user's audio, without waiting."""

    async def send(self, given: Input) -> None:
        """Takes an input that is no audio.

        Raises:
            SessionError: it takes none of this kind.
        """

    async def stop(self) -> None:
        """Ends; no event comes later. Safe to call twice."""
