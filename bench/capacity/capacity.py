"""The whole search: the callers' own limit first, then loads of the agent, kept as one run.

A load is a preset of the run, ``NAME@LOAD``, so that ``show`` and ``report`` open it as any other.
What was played stands in ``run.json``, load by load, so that a search that was ended goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.agent.remote import RemoteAgent
from bench.capacity.agent import START_TIMEOUT_S, watched
from bench.capacity.arrivals import arrivals, lasts_s, mean_length_s
from bench.capacity.asked import Asked
from bench.capacity.callers import Callers
from bench.capacity.keeping import PROCESSES, Keeper, Pool
from bench.capacity.level import Level, Player, Speakers
from bench.capacity.own_limit import own_limit
from bench.capacity.resources import Meter, Watched
from bench.capacity.search import search
from bench.capacity.slo import State
from bench.fixtures.labels import labels_of
from bench.machine import description as machine
from bench.metrics.recompute import analyse
from bench.report.capacity import said
from bench.store import store
from bench.store.lock import RunLock
from bench.store.results import note_latest
from bench.store.schema import SCHEMA_VERSION
from pipelines.errors import LabError

Tell = Callable[[str], None]
Kept = Mapping[str, Any]
"""What ``run.json`` says of a search, under ``capacity``."""


def find_capacity(asked: Asked, run_dir: Path, tell: Tell, *, resume: bool = False) -> Kept:
    """Finds the largest load at which every limit holds by its bound.

    Args:
        asked: Agent, calls and limits.
        run_dir: Folder of the run to write.
        tell: Takes a sentence on each step.
        resume: Whether a search that was ended goes on: loads that were played are not again.

    Raises:
        LabError: the agent does not start, the callers died, or the time is over.
    """
    with RunLock(run_dir), ExitStack() as stack:
        info = _begun(asked, run_dir, resume=resume)
        callers = stack.enter_context(Callers())
        agent = RemoteAgent(asked.spec, run_dir / "agent.log")
        stack.callback(agent.stop)
        agent.ask("prepare")
        tell("the agent starts")
        agent.wait(START_TIMEOUT_S)
        pool = Pool(Keeper(run_dir, asked.spec), PROCESSES)
        stack.callback(pool.stop)
        look = watched(asked.spec, agent, callers.pid)
        return _search(asked, run_dir, info, callers, pool, look, tell)


def search_with(
    asked: Asked, run_dir: Path, callers: Speakers, tell: Tell, *, resume: bool = False
) -> Kept:
    """As `find_capacity`, by callers that have no limit of their own: doubles in virtual time.

    Args:
        asked: Agent, calls and limits.
        run_dir: Folder of the run to write.
        callers: Who calls.
        tell: Takes a sentence on each step.
        resume: Whether a search that was ended goes on.
    """
    with RunLock(run_dir):
        info = _begun(asked, run_dir, resume=resume)
        info["capacity"]["callers_limit"] = asked.limit
        pool = Pool(Keeper(run_dir, asked.spec), 0)
        return _search(asked, run_dir, info, callers, pool, Watched(), tell)


def _search(
    asked: Asked,
    run_dir: Path,
    info: dict[str, Any],
    callers: Speakers,
    pool: Pool,
    look: Watched,
    tell: Tell,
) -> Kept:
    named = {fixture.name: fixture for fixture in asked.fixtures}
    player = Player(asked.spec, named, callers, pool, asked.slos, partial(Meter, look))
    kept: dict[str, Any] = info["capacity"]
    if kept["callers_limit"] is None:
        tell("the callers' own limit, beside an agent that costs little")
        kept["callers_limit"] = own_limit(callers, asked.limit, tell)
    if not kept["lengths_s"]:
        tell("each call once, for its length, and to warm the agent up")
        kept["lengths_s"] = player.lengths_s(asked.lengths_s)
        kept["mean_length_s"] = mean_length_s(kept["lengths_s"])
    store.write_info(run_dir, info)
    note_latest(run_dir)
    known = {(row["load"], row["repeat"]): row for row in kept["levels"]}
    kept["spent_s"] = kept["spent_s"] if known else 0.0

    def play(load: float, repeat: int) -> State:
        if (load, repeat) in known:
            tell(f"load {load:g}: played before")
            played_before: State = known[load, repeat]["state"]
            return played_before
        calls = arrivals(kept["lengths_s"], load, asked.counted, f"{asked.seed}.{repeat}")
        takes_s = lasts_s(calls, kept["lengths_s"])
        if kept["spent_s"] + takes_s > 60 * asked.most_minutes:
            raise LabError(
                f"--max-minutes {asked.most_minutes:g}: the next load, {load:g}, takes "
                f"{takes_s / 60:.1f} min, which are not left; {len(kept['levels'])} loads are kept "
                f"in {run_dir}: go on with --resume and more minutes, or ask for looser limits"
            )
        tell(f"load {load:g}: {len(calls)} calls, about {takes_s:.0f} s")
        level = player.play(load, repeat, calls)
        kept["spent_s"] += takes_s
        kept["levels"].append(row_of(level))
        info["presets"][level.preset] = {"title": f"{asked.spec.title} at a load of {load:g}"}
        store.write_info(run_dir, info)
        tell(said(kept["levels"][-1]))
        return level.state

    try:
        limit = min(asked.limit, kept["callers_limit"])
        found = search(play, first=min(asked.first, limit), limit=limit, repeats=asked.repeats)
        kept |= {"most": found.most, "beyond": found.beyond, "done": True}
        store.write_info(run_dir, info)
    except KeyboardInterrupt:
        tell(f"ended; {len(kept['levels'])} loads are kept in {run_dir}: --resume goes on")
        raise
    finally:
        if kept["levels"]:
            tell("metrics of all calls")
            analyse(run_dir)
    return kept


def row_of(level: Level) -> dict[str, Any]:
    """A load, as ``run.json`` holds it."""
    plain = ("judged", "resources")
    return {
        **{name: getattr(level, name) for name in Level.__slots__ if name not in plain},
        "state": level.state,
        "refused": level.refused,
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


def _begun(asked: Asked, run_dir: Path, *, resume: bool) -> dict[str, Any]:
    """The run's ``run.json``: a new one, or that of the search which goes on.

    Raises:
        LabError: the folder holds a run and shall not, or one of another search.
    """
    old, new = store.read_info(run_dir), _info(asked, run_dir)
    if not old:
        if resume:
            raise LabError(f"{run_dir}: there is no search to go on with")
        return new
    if not resume:
        raise LabError(f"{run_dir}: already holds a run; name another folder, or add --resume")
    kept = old.get("capacity")
    if not isinstance(kept, dict):
        raise LabError(f"{run_dir}: holds a run that is no search for a capacity")
    for name in SAME:
        if kept.get(name) != new["capacity"][name]:
            raise LabError(
                f"{run_dir}: that search had {name.replace('_', ' ')} {kept.get(name)!r}, this one "
                f"{new['capacity'][name]!r}; only --max-minutes may differ"
            )
    return old


SAME = ("agent", "slos", "fixtures", "calls_a_load", "seed", "repeats", "first", "largest")
"""What a search must have in common with the one that it goes on with."""


def _info(asked: Asked, run_dir: Path) -> dict[str, Any]:
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
            "weights": asked.spec.weights,
            "slos": [slo.text for slo in asked.slos],
            "limits": {slo.text: slo.gate.limit for slo in asked.slos},
            "units": {slo.text: slo.gate.unit for slo in asked.slos},
            "fixtures": names,
            "lengths_s": {},
            "mean_length_s": None,
            "calls_a_load": asked.counted,
            "seed": asked.seed,
            "repeats": asked.repeats,
            "first": asked.first,
            "largest": asked.limit,
            "callers_limit": None,
            "spent_s": 0.0,
            "most": None,
            "beyond": None,
            "done": False,
            "levels": [],
        },
    }
