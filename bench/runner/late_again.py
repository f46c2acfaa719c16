"""Selects the trials to play again: those in which the measuring side itself was too late.

On a shared machine the ruler may lose some ms of CPU time; such a trial says nothing about the
agent. It stays in the run, not valid, and another repeat of its fixture is played at the end. The
caller's lateness alone decides that, never the agent's behaviour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from bench.runner.plan import Plan, Planned


def late_again(plan: Plan, played: Mapping[str, str], at_most: int) -> list[Planned]:
    """The trials to play again now.

    Args:
        plan: The run's plan.
        played: Trial's id → its status, warm-ups left out or not.
        at_most: Most trials to add for each preset and fixture.

    Returns:
        At most one trial for each preset and fixture, in the plan's order.
    """
    late: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    for trial_id, status in played.items():
        name, _, repeat = trial_id.rpartition(".")
        if repeat.isdecimal():
            late[name] += status == "ruler_late"
            extra[name] += int(repeat) >= plan.again_from
    owed = []
    for planned in plan.trials:
        name = planned.trial_id.rpartition(".")[0]
        is_first = planned.repeat == plan.first_repeat
        if is_first and extra[name] < min(late[name], at_most):
            owed.append(replace(planned, repeat=plan.again_from + extra[name]))
    return owed
