"""Which architectures exist, and where their builders and options are.

A table of import strings, so that naming a preset imports only what that preset needs.
Packages outside this repository add rows through the entry-point group
``duplex_lab.architectures``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipelines.errors import SpecError
from pipelines.moved import told

if TYPE_CHECKING:
    from pipelines.spec import PipelineSpec


@dataclass(frozen=True, slots=True)
class Architecture:
    """One way of building a pipeline."""

    build: str
    """``module:function``; ``async build(host: Host) -> pipecat Pipeline``. Empty where there is a
    ``converse``."""
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
    lacks (an engine environment, synthetic weights), and refuses what can't be had, before the run
    writes anything; ``tell`` takes a few words on the progress. Empty: nothing to do."""
    parts: str = ""
    """``module:function``; ``parts(spec)`` lists its `pipelines.readiness.part.Part` records, for
    the matrix of presets. Empty: they are not said."""
    missing: str = ""
    """``module:function``; ``missing(spec) -> list[str]`` says in sentences what the preset lacks
    here (a key, a package, a file), without building or loading anything. Empty: nothing."""
    environments: str = ""
    """``module:function``; ``environments(spec) -> list[str]`` names the engine environments that
    the preset's parts run in, keys of `pipelines.process.environment.ENVIRONMENTS`. Empty: none."""
    makes: str = ""
    """``module:function``; ``makes(spec) -> list[str]`` says which random weights the first run
    makes, a word or two each. Empty: none."""
    reads: str = ""
    """``module:function``; ``reads(spec)`` lists the `pipelines.models.needed.Need` records of the
    models that the preset reads from disk. Empty: none."""
    stamps: bool = True
    """True if its stages stamp their own marks; else marks are read off the pipeline's frames."""
    converse: str = ""
    """``module:function``; ``async converse(host) -> str | None`` plays a whole conversation with a
    pipeline that is not ours to build, and returns what went wrong. Empty: ``build`` builds one."""


_OPTIONS = "pipelines.engines.options"
_NO_MODEL = "pipelines.readiness.part:without_model"
_HOSTED = ("speech", "stt", "llm", "tts")
_WATCH = "pipelines.watch.options:WatchOptions"

ARCHITECTURES: dict[str, Architecture] = {
    "cascade": Architecture(
        build="pipelines.cascade.build:build",
        prepare="pipelines.cascade.build:prepare",
        models="pipelines.engines.processes:model_files",
        provide="pipelines.cascade.provide:provide",
        parts="pipelines.cascade.readiness:parts",
        missing="pipelines.cascade.readiness:missing",
        environments="pipelines.cascade.readiness:environments",
        makes="pipelines.cascade.readiness:makes",
        reads="pipelines.cascade.readiness:reads",
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
        parts="pipelines.duplex.readiness:parts",
        missing="pipelines.duplex.readiness:missing",
        environments="pipelines.duplex.readiness:environments",
        makes="pipelines.duplex.readiness:makes",
        reads="pipelines.duplex.readiness:reads",
        stages=(
            ("model", "pipelines.duplex.session.options:ModelOptions"),
            ("processor", "pipelines.duplex.session.options:ProcessorOptions"),
            ("script", "pipelines.duplex.scripted.options:ScriptOptions"),
            ("watch", _WATCH),
        ),
    ),
    "hosted": Architecture(
        build="pipelines.hosted.build:build",
        prepare="pipelines.hosted.build:prepare",
        provide="pipelines.hosted.build:provide",
        parts="pipelines.hosted.readiness:parts",
        missing="pipelines.hosted.services:missing_of",
        stamps=False,
        stages=(
            *((s, "pipelines.hosted.options:ServiceOptions") for s in _HOSTED),
            ("turns", f"{_OPTIONS}:TurnOptions"),
            ("prompt", "pipelines.hosted.options:PromptOptions"),
        ),
    ),
    "bot": Architecture(
        build="",
        prepare="pipelines.bot.session:prepare",
        provide="pipelines.bot.check:provide",
        converse="pipelines.bot.session:converse",
        models="pipelines.bot.options:model_files",
        parts="pipelines.bot.readiness:parts",
        missing="pipelines.bot.readiness:missing",
        stages=(("bot", "pipelines.bot.options:BotOptions"),),
    ),
    "remote": Architecture(
        build="",
        provide="pipelines.remote.readiness:provide",
        parts="pipelines.remote.readiness:parts",
        missing="pipelines.remote.readiness:missing",
        stamps=False,
        stages=(("agent", "pipelines.remote.options:RemoteOptions"),),
    ),
    "scripted": Architecture(
        build="pipelines.cascade.scripted:build",
        parts=_NO_MODEL,
        stages=(("script", "pipelines.cascade.script:ScriptOptions"),),
    ),
    "click": Architecture(
        build="pipelines.click.build:build",
        parts=_NO_MODEL,
        stages=(("click", "pipelines.click.options:ClickOptions"),),
    ),
}


_BEHIND = (
    'measure a Pipecat bot that uses it (bot = "my_bot.py", docs/own-agent.md), or serve it by '
    "OpenAI's realtime protocol and give its address as url to [speech] service = "
    "'openai-realtime' (docs/hosted.md)"
)
REFUSED: dict[str, str] = {
    "qwen3.5-omni": "can't run here yet: no adapter of ours streams its speech, and its weights "
    f"have not been tried; {_BEHIND}",
    "seamless-m4t": "can't run here yet: it translates and does not converse, so no figure of a "
    f"conversation would mean anything, and there is no adapter; {_BEHIND}",
}
"""Models that people ask for and that can't run → why, and what to do instead."""


def refusal(name: str) -> str | None:
    """Why a model or an architecture is refused, one sentence; None: it is not of `REFUSED`."""
    plain = name.lower().replace("_", "-").rpartition("/")[2]
    for refused, why in REFUSED.items():
        if plain.startswith(refused) or plain == refused.partition("-")[0]:
            return f"{name} {why}."
    return None


def load_object(path: str) -> Any:
    """Imports ``module:name``.

    Raises:
        SpecError: the module has another name now, or needs something that is not installed.
    """
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
        if isinstance(found, ModuleType):  # a folder of today where a module was
            raise AttributeError(f"{path} is a module")
        return found
    except (ImportError, AttributeError) as error:
        if sentence := told(path, error.name):
            raise SpecError(f"{sentence}.") from error
        if not isinstance(error, ModuleNotFoundError):
            raise
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
        try:
            found: Architecture = outside[name].load()
        except (ImportError, AttributeError) as error:
            if sentence := told(outside[name].value, error.name):
                raise SpecError(f"{where}: {sentence}.") from error
            raise
        return found
    if why := refusal(name):
        raise SpecError(f"{where}: {why}")
    known = ", ".join([*ARCHITECTURES, *outside])
    raise SpecError(f"{where}: architecture = {name!r} is unknown; known: {known}.")


def answer(question: str, spec: PipelineSpec) -> Any:
    """The answer of an architecture about one of its presets; empty, where its row names no
    function.

    Args:
        question: A field of `Architecture` whose function takes a preset and answers with a list:
            parts, missing, environments, makes or reads.
        spec: The preset.
    """
    path: str = getattr(architecture(spec.architecture), question)
    return load_object(path)(spec) if path else []


def stage_options(name: str, where: str = "") -> dict[str, type]:
    """Stage name → dataclass of its options, for an architecture."""
    return {stage: load_object(path) for stage, path in architecture(name, where).stages}
