"""A sweep's file: which presets are played, with which options, to whom, over what, how often."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pipelines.errors import LabError
from pipelines.guards.ranges import Range
from pipelines.guards.texts import fit_name, parse_toml
from pipelines.spec import read_options

Axis = Literal["presets", "options", "networks"]
"""What can vary between two runs of a sweep; fixtures and repeats are parts of each run."""
AXES: tuple[Axis, ...] = get_args(Axis)


@dataclass(frozen=True, slots=True)
class SweepFile:
    """The keys of the file."""

    presets: tuple[str, ...]
    """Names of presets, or .toml files, whose paths start at the sweep's file."""
    fixtures: tuple[str, ...] = ("quick",)
    """What ``run --fixtures`` takes."""
    networks: tuple[str, ...] = ("none",)
    """What ``run --network`` takes."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Name → tables that replace those of every preset, key by key; ``none``: the preset as it is.
    Without any, presets are played as they are."""
    repeats: Annotated[int, Range(1, 1_000)] = 1
    """Number of times that each fixture is played."""
    retries: Annotated[int, Range(0, 100)] = 2
    """Number of times that a fixture is played again to a preset, in each shard, because the
    measuring side was late."""
    wait_after_answer_s: Annotated[float, Range(0, 60, "s")] = 0.0
    """What ``run --wait-after-answer`` takes."""
    apart: tuple[Axis, ...] = ("networks",)
    """What has a run of its own; the rest is interleaved in one run, its models loaded at once."""
    shard_minutes: Annotated[float, Range(0.1, 1_440, "minutes")] = 10.0
    """Estimated length of what one machine plays in one go."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep as its file describes it."""

    name: str
    """The file's name without its ending, made fit for a folder."""
    path: Path
    """The file."""
    file: SweepFile
    """Its keys."""


def read_sweep(path: Path) -> Sweep:
    """Reads a sweep's file.

    Raises:
        LabError: it can't be read, or is not right; the text says where.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: can't be read: {error.strerror}.") from None
    try:
        table = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{path}: not valid TOML: {error}.") from None
    file = read_options(SweepFile, table, str(path))
    for key in ("presets", "fixtures", "networks"):
        named = getattr(file, key)
        if not named:
            raise LabError(f"{path}: {key} names nothing: name at least one.")
        if not all(one.strip() for one in named):
            raise LabError(f"{path}: {key} holds an empty name: fill it in, or leave it out.")
        joined = next((one for one in named if "," in one), None)
        if joined is not None and key != "fixtures":
            raise LabError(f"{path}: {key}: {joined!r} are several names: write each as its own.")
        twice = next((one for one in named if named.count(one) > 1), None)
        if twice is not None:
            raise LabError(f"{path}: {key} names {twice!r} twice; repeats = N plays it more often.")
    return Sweep(fit_name(path.stem), path, file)
