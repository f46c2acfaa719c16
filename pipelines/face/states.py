"""The orchestrator's state machine: events in, state and affect out. Pure; its policy is a table.

`states.toml` defines the states, what the face shows in each, and the transitions. Time is passed
in, so that a test needs no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pipelines.errors import LabError
from pipelines.face.messages import Emotion
from pipelines.guards.texts import parse_toml
from pipelines.spec import did_you_mean, read_options

TABLE = Path(__file__).parent / "states.toml"

W = TypeVar("W", bound=str)
"""A word of a closed list."""

FaceEvent = Literal[
    "user_started",
    "user_stopped",
    "heard_nothing",
    "agent_started",
    "agent_stopped",
    "interrupted",
    "task_started",
    "task_done",
    "promised",
    "refused",
    "error",
]
"""Events; the tap turns the pipeline's frames into these."""
EVENTS: tuple[FaceEvent, ...] = get_args(FaceEvent)


class StatesError(LabError):
    """A table of states can't be used."""


@dataclass(frozen=True, slots=True)
class State:
    """What the face shows while the agent is in this state."""

    emotion: Emotion
    """Emotion preset of v1."""
    valence: float
    """Point of v2, −1–1."""
    arousal: float
    backchannel: bool
    """True if it nods."""
    hum: bool = False
    """True if it says an audible mm-hm while the user speaks."""
    lasts_ms: float | None = None
    """Duration after which the state ends by itself; None: it does not."""
    then: str = ""
    """State that follows then."""


@dataclass(frozen=True, slots=True)
class Transition:
    """``event`` in one of the states ``from_`` leads to ``to``."""

    event: FaceEvent
    from_: tuple[str, ...]
    to: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A table of states, checked."""

    start: str
    states: Mapping[str, State]
    transitions: tuple[Transition, ...]
    words: tuple[tuple[re.Pattern[str], FaceEvent], ...]
    """(pattern, event) for the text that the agent says."""

    def event_of(self, text: str) -> FaceEvent | None:
        """The event that a piece of the agent's answer causes, if any."""
        return next((event for pattern, event in self.words if pattern.search(text)), None)


def read_policy(path: Path = TABLE) -> Policy:
    """Reads and checks a table.

    Raises:
        StatesError: it can't be used; the text says where.
    """
    try:
        table = parse_toml(path.read_bytes())
    except OSError as error:
        raise StatesError(
            f"{path}: can't be read: {error.strerror}; give a table as pipelines/face/states.toml"
        ) from None
    except ValueError as error:
        raise StatesError(f"{path}: not valid TOML: {error}") from None
    try:
        return _policy(table, path.name)
    except KeyError as error:
        raise StatesError(f"{path.name}: the key {error} is missing") from None


def _policy(table: dict[str, Any], where: str) -> Policy:
    states = {
        name: read_options(State, row, f"{where} [states.{name}]")
        for name, row in table["states"].items()
    }

    def known(name: str, among: Iterable[W], what: str) -> W:
        for word in among:
            if word == name:
                return word
        raise StatesError(
            f"{where}: {what} {name!r} is unknown{did_you_mean(name, among)}; "
            f"known: {', '.join(among)}"
        )

    for name, state in states.items():
        if state.lasts_ms is not None:
            known(state.then, states, f"[states.{name}] then")
    transitions = tuple(
        Transition(
            known(row["event"], EVENTS, "[[on]] event"),
            tuple(known(s, [*states, "*"], "[[on]] from") for s in row["from"]),
            known(row["to"], states, "[[on]] to"),
        )
        for row in table.get("on", [])
    )
    try:
        words = tuple(
            (re.compile(row["match"], re.IGNORECASE), known(row["event"], EVENTS, "[[words]]"))
            for row in table.get("words", [])
        )
    except re.error as error:
        raise StatesError(f"{where}: [[words]] match is no pattern: {error}") from None
    return Policy(known(table["start"], states, "start"), states, transitions, words)


class StateMachine:
    """The agent's state."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name = policy.start
        """The present state."""
        self._since_ms = 0.0

    @property
    def state(self) -> State:
        """What the face shows now."""
        return self.policy.states[self.name]

    def feed(self, event: FaceEvent, t_ms: float) -> bool:
        """Takes an event at ``t_ms``; returns whether the state changed."""
        self.tick(t_ms)
        for row in self.policy.transitions:
            if row.event == event and (self.name in row.from_ or "*" in row.from_):
                changed = row.to != self.name
                self._enter(row.to, t_ms)
                return changed
        return False

    def tick(self, t_ms: float) -> bool:
        """Lets time pass; returns True if a state with a limited duration has ended."""
        state = self.state
        if state.lasts_ms is None or t_ms < self._since_ms + state.lasts_ms:
            return False
        self._enter(state.then, self._since_ms + state.lasts_ms)
        return True

    def _enter(self, name: str, t_ms: float) -> None:
        self.name, self._since_ms = name, t_ms
