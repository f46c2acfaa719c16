"""Which architectures exist, and where their builders and options are.

A table of import strings, so that naming a preset imports only what that preset needs.
Packages outside this repository add rows through the entry-point group
``duplex_lab.architectures``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from pipelines.errors import SpecError


@dataclass(frozen=True, slots=True)
class Architecture:
    """One way of building a pipeline."""

    build: str
    """``module:function``; ``async build(host: Host) -> pipecat Pipeline``."""
    stages: tuple[tuple[str, str], ...]
    """(stage name, ``module:dataclass`` of its options), one per TOML table."""
    prepare: str = ""
    """``module:function``; ``async prepare(spec, models)`` loads and warms every model, so that
    a missing file is found before the first trial. Empty: nothing to load."""
    models: str = ""
    """``module:function``; ``models(spec)`` lists the models' files as JSON-like tables (name,
    file, sha256), for ``run.json``. Empty: there are none."""
    provide: str = ""
    """``module:function``; ``provide(spec, tell)`` builds what the preset needs and this machine
    lacks (an engine environment, synthetic weights), before any process of the run starts;
    ``tell`` takes a few words on the progress. Empty: there is nothing to build."""


_OPTIONS = "pipelines.cascade.options"
_WATCH = "pipelines.watch.options:WatchOptions"

ARCHITECTURES: dict[str, Architecture] = {
    "cascade": Architecture(
        build="pipelines.cascade.build:build",
        prepare="pipelines.cascade.build:prepare",
        models="pipelines.cascade.engine_table:model_files",
        stages=(
            ("turns", f"{_OPTIONS}:TurnOptions"),
            ("stt", f"{_OPTIONS}:SttOptions"),
            ("llm", f"{_OPTIONS}:LlmOptions"),
            ("tts", f"{_OPTIONS}:TtsOptions"),
            ("watch", _WATCH),
        ),
    ),
    "duplex": Architecture(
        build="pipelines.duplex.build:build",
        prepare="pipelines.duplex.build:prepare",
        models="pipelines.duplex.provide:model_files",
        provide="pipelines.duplex.provide:provide",
        stages=(
            ("model", "pipelines.duplex.options:ModelOptions"),
            ("processor", "pipelines.duplex.options:ProcessorOptions"),
            ("script", "pipelines.duplex.script_options:ScriptOptions"),
            ("watch", _WATCH),
        ),
    ),
    "scripted": Architecture(
        build="pipelines.cascade.scripted:build",
        stages=(("script", "pipelines.cascade.script:ScriptOptions"),),
    ),
    "click": Architecture(
        build="pipelines.click:build",
        stages=(("click", "pipelines.clicks:ClickOptions"),),
    ),
}


def load_object(path: str) -> Any:
    """Imports ``module:name``.

    Raises:
        SpecError: the module needs something that is not installed.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise SpecError(
            f"{path} needs the package {error.name!r}, which is not installed: "
            "run 'make setup', or install the extra that the README names for this preset."
        ) from error


def architecture(name: str, where: str = "") -> Architecture:
    """Looks an architecture up.

    Raises:
        SpecError: it is unknown; the text names the known ones.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    outside = {e.name: e for e in entry_points(group="duplex_lab.architectures")}
    if name in outside:
        found: Architecture = outside[name].load()
        return found
    known = ", ".join([*ARCHITECTURES, *outside])
    raise SpecError(f"{where}: architecture = {name!r} is unknown; known: {known}.")


def stage_options(name: str, where: str = "") -> dict[str, type]:
    """Stage name → dataclass of its options, for an architecture."""
    return {stage: load_object(path) for stage, path in architecture(name, where).stages}
