"""The whole search: the callers' own limit first, then loads of the agent, kept as one run.

A load is a preset of the run, ``NAME@LOAD``, so that ``show`` and ``report`` open it as any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.agent.remote import RemoteAgent
from bench.capacity.arrivals import arrivals, lasts_s, mean_length_s
from bench.capacity.callers import Callers
from bench.capacity.level import Level, Player
from bench.capacity.own_limit import own_limit
from bench.capacity.search import Found, search
from bench.capacity.slo import Slo, State
from bench.fixtures.labels import labels_of
from bench.fixtures.library import Fixture
from bench.machine import description as machine
from bench.metrics.recompute import analyse
from bench.store import store
from bench.store.lock import RunLock
from bench.store.results import note_latest
from bench.store.schema import SCHEMA_VERSION
from pipelines.errors import LabError
from pipelines.spec import PipelineSpec

MARGIN = 1.25
"""Calls that a load gets, per those that its limits need at least: some turns miss."""
ANSWER_S = 3.0
"""Estimate: what a call lasts beyond the user's own audio, for each turn, s."""
START_TIMEOUT_S = 120.0
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for."""

    spec: PipelineSpec
    """The agent: a preset of the architecture ``remote``."""
    fixtures: tuple[Fixture, ...]
    slos: tuple[Slo, ...]
    first: float = 2.0
    """The load to begin with."""
    limit: float = 64.0
    """The largest load to play."""
    repeats: int = 2
    """Times that the load which is found has to hold."""
    seed: str = "1"
    most_minutes: float = 60.0
    """Longest time for all loads together."""

    @property
    def lengths_s(self) -> dict[str, float]:
        """Fixture → estimated length of its call, s."""
        return {f.name: f.duration_s + ANSWER_S * len(f.turns) for f in self.fixtures}

    @property
    def counted(self) -> int:
        """Calls of a load that count: enough for the bound of every limit."""
        turns = sum(len(f.turns) for f in self.fixtures) / len(self.fixtures)
        need = max(
            slo.needed / (turns if slo.gate.statistic == "rate" else 1.0) for slo in self.slos
        )
        return math.ceil(MARGIN * need)

    def seconds(self, load: float) -> float:
        """Estimated time of one load, s."""
        return lasts_s(arrivals(self.lengths_s, load, self.counted, self.seed), self.lengths_s)

    @property
    def planned_s(self) -> float:
        """Estimated time of a search that finds its load three doublings from the first, s."""
        loads = [self.first * 2**i for i in range(4)]
        loads += [loads[-1] * share for share in (0.75, 0.875, 0.9375, 0.9375)]
        return sum(self.seconds(min(load, self.limit)) for load in loads)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was found."""

    found: Found
    levels: tuple[Level, ...]
    callers_limit: float
    """Load up to which the callers themselves are in time on this machine."""
    kept: Mapping[str, Any]
    """What ``run.json`` says of it."""

    @property
    def beyond(self) -> Level | None:
        """The smallest load that did not hold, last time that it was played."""
        of = [level for level in self.levels if level.load == self.found.beyond]
        return of[-1] if of else None


def find_capacity(asked: Asked, run_dir: Path, tell: Tell) -> Capacity:
    """Finds the largest load at which every limit holds by its bound.

    Args:
        asked: Agent, calls and limits.
        run_dir: Folder of the run to write.
        tell: Takes a sentence on each step.

    Raises:
        LabError: the agent does not start, the callers died, or the time is over.
    """
    if store.read_info(run_dir):
        raise LabError(f"{run_dir}: already holds a run; name another folder")
    levels: list[Level] = []
    with RunLock(run_dir), ExitStack() as stack:
        callers = stack.enter_context(Callers())
        agent = RemoteAgent(asked.spec, run_dir / "agent.log")
        stack.callback(agent.stop)
        agent.ask("prepare")
        agent.wait(START_TIMEOUT_S)
        tell("the callers' own limit, beside an agent that costs nothing")
        own = own_limit(callers, asked.limit, tell)
        named = {fixture.name: fixture for fixture in asked.fixtures}
        player = Player(run_dir, asked.spec, named, agent, callers, asked.slos)
        tell("each call once, for its length, and to warm the agent up")
        lengths_s = player.lengths_s(asked.lengths_s)
        info = _info(asked, run_dir, own, lengths_s)
        store.write_info(run_dir, info)
        note_latest(run_dir)
        spent_s = 0.0

        def play(load: float, repeat: int) -> State:
            nonlocal spent_s
            calls = arrivals(lengths_s, load, asked.counted, f"{asked.seed}.{repeat}")
            takes_s = lasts_s(calls, lengths_s)
            if spent_s + takes_s > 60 * asked.most_minutes:
                raise LabError(
                    f"The search takes longer than --max-minutes {asked.most_minutes:g}: "
                    f"{len(levels)} loads were played and are kept in {run_dir}; give more, "
                    "or looser limits"
                )
            spent_s += takes_s
            tell(f"load {load:g}: {len(calls)} calls, about {takes_s:.0f} s")
            level = player.play(load, repeat, calls)
            levels.append(level)
            info["presets"][level.preset] = {"title": f"{asked.spec.title} at a load of {load:g}"}
            info["capacity"]["levels"] = [row_of(one) for one in levels]
            store.write_info(run_dir, info)
            tell(said(level))
            return level.state

        try:
            found = search(play, first=asked.first, limit=own, repeats=asked.repeats)
            info["capacity"] |= {"most": found.most, "beyond": found.beyond}
            store.write_info(run_dir, info)
        finally:
            if levels:
                analyse(run_dir)
    return Capacity(found, tuple(levels), own, info["capacity"])


def verdict(found: Capacity) -> list[str]:
    """What was found, in sentences: the load, where it breaks, and what ran out there."""
    most, beyond = found.found.most, found.beyond
    lines = []
    if most is None:
        lines.append("No load held: look at the limits, or at one call by itself.")
    else:
        repeats = sum(one.load == most for one in found.found.tried)
        lines.append(
            f"N* = {most:g} calls at once: all limits held by their bounds, {repeats} times."
        )
    if beyond is None:
        lines.append(
            f"Nothing broke up to {found.callers_limit:g} calls, the largest load that was played: "
            "the agent may bear more."
        )
        return lines
    if beyond.refused:
        lines.append(f"At {beyond.load:g} {beyond.refused}: the agent may bear more.")
        return lines
    missed = [one for one in beyond.judged if one.state != "holds"]
    which = ", ".join(
        f"{one.slo.text} was {_number(one.value)}, bound {_number(one.bound)}" for one in missed
    )
    full = beyond.resources.limit or "nothing that can be seen from here was full"
    lines.append(f"At {beyond.load:g} it did not hold: {which}; {full}.")
    return lines


def said(level: Level) -> str:
    """One line on a load."""
    limits = ", ".join(
        f"{one.slo.gate.metric} {_number(one.value)} (bound {_number(one.bound)}): "
        f"{one.reason or one.state}"
        for one in level.judged
    )
    return (
        f"load {level.load:g}: {level.state}; {limits}; {level.most_open} open at most; callers "
        f"{level.cpu_percent_a_call:.1f} % of a core a call, late in {level.late} of {level.calls}"
        + (f"; {level.refused}" if level.refused else "")
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def row_of(level: Level) -> dict[str, Any]:
    """A load, as ``run.json`` holds it."""
    return {
        "load": level.load,
        "repeat": level.repeat,
        "preset": level.preset,
        "state": level.state,
        "refused": level.refused,
        "calls": level.calls,
        "mean_open": level.mean_open,
        "late": level.late,
        "most_open": level.most_open,
        "mouth_p99_ms": level.mouth_p99_ms,
        "cpu_percent_a_call": level.cpu_percent_a_call,
        "resources": asdict(level.resources),
        "limit": level.resources.limit,
        "slos": {
            one.slo.text: {
                "value": one.value,
                "bound": one.bound,
                "n": one.n,
                "state": one.state,
                "reason": one.reason,
            }
            for one in level.judged
        },
    }


def _info(
    asked: Asked, run_dir: Path, own: float, lengths_s: Mapping[str, float]
) -> dict[str, Any]:
    names: Sequence[str] = [fixture.name for fixture in asked.fixtures]
    return {
        "run_id": run_dir.name,
        "schema_version": SCHEMA_VERSION,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "presets": {},
        "fixtures": {f.name: labels_of(f).to_dict() for f in asked.fixtures},
        "capacity": {
            "agent": asked.spec.name,
            "slos": [slo.text for slo in asked.slos],
            "limits": {slo.text: slo.gate.limit for slo in asked.slos},
            "fixtures": names,
            "mean_length_s": mean_length_s(lengths_s),
            "calls_a_load": asked.counted,
            "seed": asked.seed,
            "callers_limit": own,
            "most": None,
            "beyond": None,
            "levels": [],
        },
    }
