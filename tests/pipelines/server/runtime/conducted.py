"""Backends that say what a test says, and a session whose agents are conducted in virtual time."""

import asyncio

import numpy as np

from pipelines.errors import LabError
from pipelines.server.runtime.conductor import Conductor
from pipelines.server.runtime.links import Link, Opened
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import (
    AudioOut,
    Command,
    Context,
    Control,
    Failure,
    Say,
    ToolOutput,
    TurnEnd,
    UserPartial,
    UserText,
)
from pipelines.server.session.states import SessionError
from tests.virtual_loop import clock

KINDS = {UserText: "text", Say: "say", Context: "context", ToolOutput: "tool_result"}
CASCADE = ("audio", "interrupt", "text", "say", "context", "respond")


class Agent:
    """A backend that says what the test says."""

    def __init__(
        self, name, inputs=CASCADE, rate_hz=24_000, full_duplex=False, fails="", takes_s=0.0
    ):
        self.capabilities = Capabilities(
            name, rate_hz, rate_hz, inputs=inputs, full_duplex=full_duplex
        )
        self.name = name
        self.heard, self.given = [], []
        self.started = self.stopped = self.released = 0
        self.emit = None
        self._fails = fails
        self._takes_s = takes_s

    async def start(self, emit):
        self.started += 1
        if self._takes_s:
            await asyncio.sleep(self._takes_s)
        if self._fails:
            raise LabError(self._fails)
        self.emit = emit

    def push(self, chunk):
        self.heard.append(chunk)

    async def send(self, given):
        kind = given.name if isinstance(given, Command) else KINDS[type(given)]
        if kind not in self.capabilities.inputs:
            raise SessionError(f"{self.name} takes no {kind}.")
        self.given.append(given)

    async def stop(self):
        self.stopped += 1

    # what a test lets it say

    def says(self, level=5_000, samples=1_920, **more):
        pcm = np.full(samples, level, np.int16).tobytes()
        self.emit(AudioOut(clock(), 0, self.capabilities.out_rate_hz, pcm, **more))

    def user(self, speaks):
        self.emit(Control(clock(), "user_speaking", "true" if speaks else "false"))

    def user_turn(self, text=""):
        """The user's turn is over."""
        if text:
            self.emit(UserPartial(clock(), text, final=True))
        self.emit(TurnEnd(clock(), "user"))

    def dies(self):
        self.emit(Failure(clock(), f"The model of {self.name} crashed", fatal=True))

    def opened(self, **more):
        def release():
            self.released += 1

        return Opened(self.name, self, release, **more)

    def link(self, refuses=""):
        async def open_it():
            if refuses:
                raise LabError(refuses)
            return self.opened()

        return Link(self.name, open_it)


def conducted(first, *rest, **more):
    """A session with these agents.

    Args:
        first: The one that begins: an agent, or one that is opened.
        rest: Links, or agents.
        more: Of `Conductor`.
    """
    opened = first.opened() if isinstance(first, Agent) else first
    links = [one.link() if isinstance(one, Agent) else one for one in rest]
    conductor = Conductor(opened, links, clock=clock, **more)
    return Session(conductor, clock=clock), conductor


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]
