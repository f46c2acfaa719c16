"""The row of an engine, and the row of a maker of random weights. Pure.

An engine is one module of `pipelines.engines.stt`, ``llm`` or ``tts`` with its row, ``ROW``, at its
end; `pipelines.engines.adapters` finds it there. The engine's child process imports that module by
the interpreter of its environment, so this one needs only the standard library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Stage = Literal["stt", "llm", "tts"]

FUNCTIONS = "functions"
"""Capability of a language model's engine: it calls functions that a client offers."""
BY_RANDOM_WEIGHTS = "random weights through the real loader"
"""Test of most engines: no trained model of others is downloaded for a test."""


class Model(Protocol):
    """The model of a preset's stage, as an engine's row sees it."""

    @property
    def name(self) -> str:
        """An id, a path, or ``synthetic:SIZE``."""

    @property
    def path(self) -> Path:
        """Its file or folder.

        Raises:
            LabError: it is not there; one sentence.
        """

    @property
    def random(self) -> bool:
        """True if its weights are random, which never stop by themselves."""

    @property
    def system_prompt(self) -> str:
        """System prompt in the manifest beside it; empty: none."""


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One engine of one stage."""

    stage: Stage
    """Table of a preset that names it."""
    name: str
    """Name in a preset."""
    what: str
    """Library and models."""
    licence: str
    """Licence of the library."""
    engine: type[Any] | None = None
    """Class that a child process runs, see `pipelines.process.engine.Engine`."""
    arguments: Callable[[Any, Model], dict[str, Any]] = lambda options, model: {}
    """(the stage's options, its model) → keyword arguments of the class."""
    settings: type[Any] | None = None
    """Frozen dataclass of the options of this engine only: ``settings`` in the preset's table,
    checked when the preset is read. None: it has none."""
    called: str = ""
    """Name of its process in marks and errors; ``{model}`` stands for the model's name. Empty: the
    engine's name and the model's."""
    reads: tuple[str, ...] = ()
    """Options that name model files on disk; empty: it brings its own model, or a server has it."""
    model: str = ""
    """Default of the preset's ``model``."""
    voice: str = ""
    """Default of the preset's ``voice``, where the engine has several."""
    environment: str = ""
    """Key of `pipelines.process.environment.ENVIRONMENTS`; empty: our own interpreter."""
    maker: str = ""
    """``module:name`` of the `Maker` of its models with random weights; empty: none is made."""
    files: Callable[[Any], list[dict[str, str]]] | None = None
    """Options → its files as ``run.json`` lists them (name, file, sha256), where it brings its own
    model. None: the file of its model is listed."""
    rate_hz: Callable[[Model], int] = lambda model: 0
    """Sample rate of a synthesiser's audio, known before it runs; 0: espeak-ng's 22,050 Hz."""
    service: str = ""
    """``module:function`` that makes a service of Pipecat's, where there is no child process."""
    ready: str = ""
    """``module:function``; ``async ready(options)`` checks before the first trial that the
    service's server is there."""
    lacks: str = ""
    """``module:function``; ``lacks(options)`` says why the service's server can't be used now, one
    sentence, in half a second; empty: it can. Empty: nothing is asked."""
    devices: tuple[str, ...] = ("cpu",)
    """Devices that it can compute on, the usual one first."""
    capabilities: tuple[str, ...] = ()
    """Capabilities, in a word or two each."""
    tested: str = BY_RANDOM_WEIGHTS
    """Weights or doubles with which our tests run it."""
    untested: str = ""
    """Parts that no test and none of us has run yet; empty: none."""
    measured: tuple[str, ...] = ()
    """Sizes of random weights whose cost ``make bench-engines`` measures."""
    own_threads: bool = False
    """True if its library chooses its own number of threads, whatever is asked for."""
    refusal: str = ""
    """Why it can't run, and what to use instead; empty: it can."""

    @property
    def path(self) -> str:
        """``module:class`` of the engine; empty: it has no child process."""
        cls = self.engine
        return f"{cls.__module__}:{cls.__qualname__}" if cls else ""


@dataclass(frozen=True, slots=True)
class Maker:
    """The row of a module of ``synthetic/``: how models with random weights of one kind are made.

    With an environment its interpreter runs ``python -m MODULE FOLDER SIZE``; else ``make`` is
    called in this process.
    """

    kind: str
    """Part of the folder's name."""
    gb: Mapping[str, float]
    """Size → space on disk and in memory while it is made, GB."""
    is_random: Callable[[Path], bool]
    """True if a model's own files say that it made them. Files of trained models, broken ones and
    missing ones may raise OSError, ValueError, KeyError, TypeError or AttributeError."""
    main: str = ""
    """The file in the folder that an engine gets; empty: the folder."""
    environment: str = ""
    """Key of `pipelines.process.environment.ENVIRONMENTS`; empty: made in this process."""
    make: Callable[[Path, str], None] | None = None
    """(folder, size) → the files, where there is no environment."""


def in_package(name: str, package: str) -> dict[str, str]:
    """The entry of ``run.json`` for a model that a Python package brings."""
    from importlib.metadata import version

    return {"name": name, "file": f"{package} {version(package)}"}


def on_disk(name: str, path: Path) -> dict[str, str]:
    """The entry of ``run.json`` for a file: its SHA-256 is empty where the file does not exist."""
    sha256 = ""
    if path.is_file():
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "file": path.name, "sha256": sha256}
