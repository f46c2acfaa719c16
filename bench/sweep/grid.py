"""A sweep's plan: its runs, and the shards of them that one machine plays in one go.

A *cell* is one run of the sweep: all that is to be compared on the same minutes, interleaved. A
*shard* is a part of a cell, some fixtures and some repeats with all of the cell's presets, so that
whatever is compared within a run was played on one machine, turn by turn beside each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.runner.networks import over_networks
from bench.runner.plan import Plan, choose, closing_s
from bench.sweep.sweep_file import AXES, Sweep
from bench.sweep.variants import NONE, with_options
from pipelines.errors import LabError
from pipelines.spec import PipelineSpec, load_spec


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a sweep."""

    name: str
    """Name of the run, on the machine that plays it."""
    plan: Plan
    """All of it."""
    retries: int
    """See `bench.sweep.sweep_file.SweepFile.retries`."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of a cell that one machine plays in one go."""

    cell: Cell
    part: int
    """Number of the part of the cell's fixtures, from 0."""
    fixtures: tuple[str, ...]
    """Names of its fixtures."""
    first_repeat: int
    """Number of its first repetition."""
    repeats: int
    """Number of repetitions."""

    @property
    def name(self) -> str:
        """Unique within the sweep."""
        return f"{self.cell.name}.r{self.first_repeat}p{self.part}"

    @property
    def plan(self) -> Plan:
        """The shard as a run of its own; its trials have the names that they have in the cell."""
        whole = self.cell.plan
        fixtures = tuple(f for f in whole.fixtures if f.name in self.fixtures)
        part = replace(
            whole,
            fixtures=fixtures,
            repeats=self.repeats,
            only={name: kind for name, kind in whole.only.items() if name in self.fixtures},
            own={
                preset: tuple(name for name in of if name in self.fixtures)
                for preset, of in whole.own.items()
            },
            first_repeat=self.first_repeat,
            first_again=whole.repeats + self.first_repeat * self.cell.retries,
        )
        return replace(part, specs=tuple(spec for spec in whole.specs if part.fixtures_of(spec)))

    @property
    def trial_ids(self) -> frozenset[str]:
        """Ids of the trials that are planned, warm-ups left out."""
        return frozenset(trial.trial_id for trial in self.plan.trials)

    def row(self) -> dict[str, Any]:
        """As a sweep's folder keeps it."""
        return {
            "cell": self.cell.name,
            "part": self.part,
            "fixtures": list(self.fixtures),
            "first_repeat": self.first_repeat,
            "repeats": self.repeats,
        }


@dataclass(frozen=True, slots=True)
class Grid:
    """A sweep's plan."""

    name: str
    """The sweep's name."""
    cells: tuple[Cell, ...]
    """Its runs."""
    shards: tuple[Shard, ...]
    """Their parts, in the order in which they are played."""

    def identity(self) -> dict[str, Any]:
        """What must be the same when the sweep is gone on with."""
        return {
            "cells": {cell.name: cell.plan.identity() for cell in self.cells},
            "retries": max(cell.retries for cell in self.cells),
        }

    def seconds(self) -> float:
        """Estimated duration on one machine, s."""
        return sum(shard.plan.seconds() for shard in self.shards)


def plan_sweep(sweep: Sweep) -> Grid:
    """The plan of a sweep.

    Raises:
        LabError: something that the file names is unknown or wrong.
    """
    try:
        cells = tuple(_cells(sweep))
    except LabError as error:  # of the options of 'run', whose names the file has too
        raise LabError(f"{sweep.path}: {str(error).removeprefix('--')}") from None
    names = [cell.name for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise LabError(f"{sweep.path}: two of its runs would be called {twice}: rename an option.")
    limit_s = 60.0 * sweep.file.shard_minutes
    return Grid(sweep.name, cells, tuple(_in_turns([shards_of(c, limit_s) for c in cells])))


def with_shards(grid: Grid, rows: Sequence[Mapping[str, Any]]) -> Grid:
    """The plan with shards as they were when the sweep began."""
    cells = {cell.name: cell for cell in grid.cells}
    shards = (
        Shard(
            cells[row["cell"]],
            int(row["part"]),
            tuple(row["fixtures"]),
            int(row["first_repeat"]),
            int(row["repeats"]),
        )
        for row in rows
    )
    return replace(grid, shards=tuple(shards))


def _cells(sweep: Sweep) -> Iterator[Cell]:
    file = sweep.file
    bases = {spec.name: spec for spec in (load_spec(_here(sweep, name)) for name in file.presets)}
    if len(bases) < len(file.presets):
        raise LabError("two presets have the same name: rename one file.")
    options = file.options or {NONE: {}}
    for name, table in options.items():
        if not isinstance(table, Mapping):
            raise LabError(f"[options]: {name} must be a table, [options.{name}].")
        if (name == NONE) != (not table):
            what = "is the preset as it is" if name == NONE else "changes nothing"
            raise LabError(f"[options.{name}]: {what}: only [options.{NONE}] is empty.")
    values: dict[str, tuple[str, ...]] = {
        "presets": tuple(bases),
        "options": tuple(options),
        "networks": file.networks,
    }
    axes = [axis for axis in AXES if axis in file.apart and len(values[axis]) > 1]
    for chosen in itertools.product(*(values[axis] for axis in axes)):
        own = values | {axis: (value,) for axis, value in zip(axes, chosen, strict=True)}
        specs = tuple(
            over
            for preset in own["presets"]
            for option in own["options"]
            for over in over_networks(
                [with_options(bases[preset], option, options[option])], ",".join(own["networks"])
            )
        )
        name = ".".join((sweep.name, *("-".join(chosen),) * bool(chosen)))
        yield Cell(name, _plan(specs, sweep), file.retries)


def _here(sweep: Sweep, preset: str) -> str:
    return str(sweep.path.parent / preset) if preset.endswith(".toml") else preset


def _plan(specs: tuple[PipelineSpec, ...], sweep: Sweep) -> Plan:
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise LabError("two presets with their options have the same name: rename an option.")
    selector = ",".join(sweep.file.fixtures)
    fixtures, only, own = choose(selector, names)
    plan = Plan(specs, fixtures, sweep.file.repeats, only, own, sweep.file.wait_after_answer_s)
    for spec in specs:
        if not plan.fixtures_of(spec):
            raise LabError(
                f"fixtures {selector}: nothing of it is for {spec.name}, which is of the kind "
                f"{spec.kind}."
            )
    return plan


def shards_of(cell: Cell, limit_s: float) -> list[Shard]:
    """The parts of a cell, none longer than a limit if it can be helped, repeats in order.

    Args:
        cell: The cell.
        limit_s: Estimated length of a shard, loading and report included, s.
    """
    plan = replace(cell.plan, repeats=1)
    room_s = limit_s - plan.opening_s(len(plan.specs)) - closing_s(len(plan.trials))
    of_fixture = {f.name: 0.0 for f in plan.fixtures}
    for trial in plan.trials:
        of_fixture[trial.fixture.name] += plan.seconds([trial])
    parts: list[list[str]] = []
    left_s = 0.0
    for name, seconds in of_fixture.items():
        if not parts or seconds > left_s:
            parts.append([])
            left_s = room_s
        parts[-1].append(name)
        left_s -= seconds
    longest_s = sum(of_fixture.values())
    at_once = max(1, int(room_s // longest_s)) if len(parts) == 1 else 1
    return [
        Shard(cell, part, tuple(names), first, min(at_once, cell.plan.repeats - first))
        for first in range(0, cell.plan.repeats, at_once)
        for part, names in enumerate(parts)
    ]


def _in_turns(of_cells: Sequence[Sequence[Shard]]) -> Iterator[Shard]:
    """The cells by turns, so that what drifts meanwhile affects all alike."""
    for i, row in enumerate(itertools.zip_longest(*of_cells)):
        turn = i % len(row)
        yield from (shard for shard in (*row[turn:], *row[:turn]) if shard is not None)
