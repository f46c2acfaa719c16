"""``[policy]`` and ``[warmth]`` of the server: what if an agent fails, and what is ready ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.guards.ranges import Range
from pipelines.server.config.option import Help
from pipelines.server.runtime.policy import policy_of_lines


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """What is done when an agent dies, is late, or has used its tokens."""

    fallback: Annotated[
        tuple[str, ...],
        Help(
            "Go on with this preset, or this wss:// address of another such server; repeat it for "
            "a chain.",
            "--fallback",
            "NAME",
        ),
    ] = ()
    token_env: Annotated[
        str,
        Help("Environment variable with the bearer token for the addresses.", metavar="NAME"),
    ] = ""
    late_s: Annotated[
        float,
        Range(0, 600, "s"),
        Help("Longest time without a sound where an answer is owed, s; 0: any."),
    ] = 10.0
    sentence: Annotated[
        str, Help("What the next agent says when it goes on; empty: nothing.", metavar="TEXT")
    ] = "Sorry, one moment please."
    context_tokens: Annotated[
        int,
        Range(0, 131_072, "tokens"),
        Help("Most of the conversation so far that the next agent is told, in tokens."),
    ] = 1_000
    budget_tokens: Annotated[
        int,
        Range(0, 100_000_000, "tokens"),
        Help("Tokens that a hosted or remote agent may use in a conversation; 0: any number."),
    ] = 0
    level: Annotated[
        int,
        Range(-1, 6),
        Help(
            "Level of this machine's hardware, 0 to 6, as 'doctor' says: what it can't run begins "
            "at the chain's address. -1: it is looked up."
        ),
    ] = -1
    rules: Annotated[
        tuple[str, ...],
        Help(
            "Another cell of the table: WHAT=ACTION or WHAT.STATE=ACTION, as in docs/runtime.md.",
            metavar="RULE",
        ),
    ] = ()

    def __post_init__(self) -> None:
        policy_of_lines(self.rules)


@dataclass(frozen=True, slots=True)
class WarmthOptions:
    """What is ready before somebody calls."""

    seats: Annotated[
        int,
        Range(0, 64, "conversations"),
        Help(
            "Seats of each preset that are always warm; the others are loaded ahead of demand. 0: "
            "all of them."
        ),
    ] = 0
    ahead_s: Annotated[
        float,
        Range(1, 3_600, "s"),
        Help("Time for which conversations are foreseen, s: at least that of loading a model."),
    ] = 60.0
    idle_s: Annotated[
        float,
        Range(1, 86_400, "s"),
        Help("Time after which a seat beyond those that nobody wants is ended, s."),
    ] = 600.0
    keep_alive_s: Annotated[
        float,
        Range(0, 86_400, "s"),
        Help("Interval at which an idle model does its warm-up again, s; 0: never."),
    ] = 0.0
    greeting: Annotated[
        str,
        Help("What an agent says first, where its preset has no greeting.", "--greeting", "TEXT"),
    ] = ""
