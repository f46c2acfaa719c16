"""Which task is a new one: said twice it is one, cancelled it is none. Pure; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.clock import NS_PER_S

CANCEL_WITHIN_S = 30.0
"""Age of a call after which a "never mind" no longer cancels it."""


@dataclass(slots=True)
class _Entry:
    call_id: str
    arguments: dict[str, str]
    last_ns: int


class Ledger:
    """The calls of one conversation."""

    def __init__(self, repeat_s: float) -> None:
        """``repeat_s``: the same task within this time of its last mention is the same call."""
        self._repeat_ns = round(repeat_s * NS_PER_S)
        self._live: list[_Entry] = []

    def offer(self, call_id: str, arguments: dict[str, str], t_ns: int) -> str | None:
        """Takes a task that was heard.

        Returns:
            None if it is a new call, else the id of the call that it repeats.
        """
        for entry in reversed(self._live):
            if entry.arguments == arguments and t_ns - entry.last_ns <= self._repeat_ns:
                entry.last_ns = t_ns
                return entry.call_id
        self._live.append(_Entry(call_id, dict(arguments), t_ns))
        return None

    def withdraw(self, call_id: str) -> bool:
        """Cancels one call; False if it does not exist (any more)."""
        left = [entry for entry in self._live if entry.call_id != call_id]
        known = len(left) < len(self._live)
        self._live = left
        return known

    def cancel(self, t_ns: int) -> str | None:
        """Cancels the last call; None if there is none recent enough."""
        if not self._live or t_ns - self._live[-1].last_ns > CANCEL_WITHIN_S * NS_PER_S:
            return None
        return self._live.pop().call_id
