"""The timing of Full-Duplex-Bench v1.5: stops and responses, from stretches of speech alone. Pure.

Of github.com/DanielLin94144/Full-Duplex-Bench, ``evaluation/get_timing.py`` as of 0f078de. Which
stretch is the overlap and which the answer is not asked: every time in which both spoke is a
"stop", and every next start of the agent after an end of the user is a "response". Times in s.
"""

from __future__ import annotations

from collections.abc import Sequence

USER_GAP_S, AGENT_GAP_S = 0.6, 0.5
"""Longest gap between stretches of one speaker that are taken for one."""

Stretch = tuple[float, float]
"""(start, end), s."""


def merged(stretches: Sequence[Stretch], gap_s: float) -> list[Stretch]:
    """The stretches, joined over gaps up to ``gap_s``."""
    found: list[Stretch] = []
    for start_s, end_s in sorted(stretches):
        if found and start_s - found[-1][1] <= gap_s:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return found


def stops(user: Sequence[Stretch], agent: Sequence[Stretch]) -> list[Stretch]:
    """The times in which both spoke; of those with one end, in ms, the shortest.

    Args:
        user: Stretches of the user, joined and by time.
        agent: The same of the agent.
    """
    best: dict[int, Stretch] = {}
    i = j = 0
    while i < len(user) and j < len(agent):
        start_s, end_s = max(user[i][0], agent[j][0]), min(user[i][1], agent[j][1])
        key = round(end_s * 1000)
        if end_s > start_s and (key not in best or end_s - start_s < best[key][1] - best[key][0]):
            best[key] = (start_s, end_s)
        if user[i][1] < agent[j][1]:
            i += 1
        else:
            j += 1
    return sorted((_to_ms(one) for one in best.values()), key=lambda one: one[1])


def responses(user: Sequence[Stretch], agent: Sequence[Stretch]) -> list[Stretch]:
    """From each end of the user to the agent's next start; of those with one start, the shortest.

    A reply that began before the user's end is passed over: the next stretch is taken, however
    long after it comes.
    """
    found: dict[int, Stretch] = {}
    for _, end_s in user:
        start_s = next((start for start, _ in agent if start > end_s), None)
        if start_s is None:
            continue
        gap, key = _to_ms((end_s, start_s)), round(start_s * 1000)
        if key not in found or gap[0] > found[key][0]:
            found[key] = gap
    return sorted(found.values(), key=lambda one: one[1])


def _to_ms(stretch: Stretch) -> Stretch:
    """Both times to the millisecond, as the scripts write them."""
    return round(stretch[0], 3), round(stretch[1], 3)
