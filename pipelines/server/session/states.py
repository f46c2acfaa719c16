"""The states of a conversation, and which may follow which."""

from __future__ import annotations

from typing import Literal

from pipelines.errors import LabError

State = Literal["idle", "starting", "listening", "speaking", "draining", "closed"]

NEXT: dict[State, tuple[State, ...]] = {
    "idle": ("starting", "closed"),
    "starting": ("listening", "draining", "closed"),
    "listening": ("speaking", "draining", "closed"),
    "speaking": ("listening", "draining", "closed"),
    "draining": ("closed",),
    "closed": (),
}
"""State → the states that may follow it."""
OPEN: frozenset[State] = frozenset({"listening", "speaking"})
"""States in which the user is heard."""


class SessionError(LabError):
    """A session is used as it can't be: one sentence."""


def checked(state: State, new: State) -> State:
    """The new state.

    Raises:
        SessionError: it can't follow.
    """
    if new not in NEXT[state]:
        may = " or ".join(NEXT[state]) or "nothing"
        raise SessionError(f"a session that is {state} can't be {new}: {may} may follow.")
    return new
