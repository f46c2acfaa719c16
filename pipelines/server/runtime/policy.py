"""The policy: what is done about what happens, as a table. Pure.

============  =================================================================================
ignore        nothing, and nobody is told
continue      the conversation goes on; its events say what happened
inject        the agent is told, so that it can speak of it
fall_back     the conversation goes on with the next agent of the chain
============  =================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pipelines.spec import did_you_mean

Action = Literal["ignore", "continue", "inject", "fall_back"]
State = Literal["quiet", "user_speaks", "waiting", "agent_speaks"]
"""Nobody speaks; the user does; the user has ended and no answer is heard yet; the agent does."""
What = Literal[
    "model_died", "model_late", "context_full", "budget_spent", "skill_runs", "skill_done",
    "skill_failed", "skill_refused", "skill_came", "plan_ready",
]  # fmt: skip

ACTIONS: tuple[Action, ...] = get_args(Action)
STATES: tuple[State, ...] = get_args(State)
WHATS: tuple[What, ...] = get_args(What)


@dataclass(frozen=True, slots=True)
class Row:
    """What is done about one thing."""

    what: What
    meaning: str
    quiet: Action
    user_speaks: Action
    waiting: Action
    agent_speaks: Action

    def action(self, state: State) -> Action:
        """The action in a state."""
        found: Action = getattr(self, state)
        return found


TABLE: tuple[Row, ...] = (
    Row(
        "model_died", "the agent's pipeline or its model's process ended by an error",
        "fall_back", "fall_back", "fall_back", "fall_back",
    ),
    Row(
        "model_late", "no sound came within late_s, though one was owed",
        "fall_back", "fall_back", "fall_back", "continue",
    ),
    Row(
        "context_full", "the model's context is full, and it fell silent",
        "fall_back", "fall_back", "fall_back", "fall_back",
    ),
    Row(
        "budget_spent", "the agent has used its tokens of this conversation",
        "fall_back", "fall_back", "continue", "continue",
    ),
    Row(
        "skill_runs", "a skill has not answered after filler_ms; inject: a filler is said",
        "inject", "ignore", "inject", "ignore",
    ),
    Row(
        "skill_done", "a skill's result is there, within its budget",
        "inject", "inject", "inject", "inject",
    ),
    Row(
        "skill_failed", "a skill failed",
        "inject", "inject", "inject", "inject",
    ),
    Row(
        "skill_refused", "a call's arguments do not fit, or there is no such skill",
        "continue", "continue", "continue", "continue",
    ),
    Row(
        "skill_came", "the result of a late skill is there",
        "inject", "inject", "inject", "inject",
    ),
    Row(
        "plan_ready", "the slow reasoner has a plan",
        "inject", "continue", "inject", "continue",
    ),
)  # fmt: skip
"""What is done if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The table, with a server's own rules in place of its cells."""

    rules: Mapping[tuple[What, State], Action] = field(default_factory=dict)

    def decide(self, what: What, state: State) -> Action:
        """The action for what happened in a state."""
        own = self.rules.get((what, state))
        return own if own is not None else _ROWS[what].action(state)

    def table(self) -> list[dict[str, str]]:
        """All of it, a row for each happening."""
        return [
            {
                "what": row.what,
                **{state: self.decide(row.what, state) for state in STATES},
                "meaning": row.meaning,
            }
            for row in TABLE
        ]


_ROWS = {row.what: row for row in TABLE}


def policy_of_lines(lines: Sequence[str]) -> Policy:
    """The policy of rules as an option gives them: ``model_late=continue``, ``what.state=action``.

    Raises:
        ValueError: a word is none of the table's; without an end to the sentence.
    """
    found: dict[tuple[What, State], Action] = {}
    for line in lines:
        cell, is_there, action = (part.strip() for part in line.partition("="))
        if not is_there:
            raise ValueError(f"rule {line!r}: write WHAT=ACTION, or WHAT.STATE=ACTION")
        what, _, state = cell.partition(".")
        known: What = _word(what, WHATS, f"rule {line!r}")
        for at in (_word(state, STATES, f"rule {line!r}"),) if state else STATES:
            found[known, at] = _word(action, ACTIONS, f"rule {line!r}")
    return Policy(found)


def _word(given: str, known: tuple[Any, ...], where: str) -> Any:
    if given not in known:
        near = did_you_mean(given, known)
        raise ValueError(f"{where}: {given!r} is none of its words{near}: {', '.join(known)}")
    return given
