"""What a preset is made of, what it lacks here, and with what its parts were tested.

Each architecture names its parts (a row per engine, service or adapter, with licence, devices and
how it is tested); nothing is loaded, built, hashed or downloaded for the answer.
"""

from __future__ import annotations

import importlib.util
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipelines.spec import PipelineSpec

if TYPE_CHECKING:
    from pipelines.engines.rows import EngineRow

SYNTHETIC = "synthetic"
LOADER = "random weights through the real loader"
SERVER_S = 0.3
"""How long a server on this machine may take to be found."""


@dataclass(frozen=True, slots=True)
class Part:
    """One engine, service or adapter of a preset."""

    name: str
    """As the preset names it."""
    model: str
    """Which model it is given; empty: it brings its own."""
    licence: str
    """Of the model where it is known, else of the library."""
    devices: tuple[str, ...]
    """What it can compute on."""
    tested: str
    """With what our tests run it."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A duplex model's adapter, as far as it is known without loading it."""

    licence: str
    devices: tuple[str, ...]
    tested: str
    imports: tuple[str, ...] = ()
    """Packages of an extra that it needs in our own interpreter."""
    extra: str = ""
    """That extra, of duplex-lab."""


DUPLEX: dict[str, Adapter] = {
    "mlx": Adapter("MIT", ("metal", "cpu"), LOADER),
    "torch": Adapter("MIT", ("cuda", "cpu"), LOADER),
    "server": Adapter("the server's", ("its server's",), "protocol fake", ("sphn",), "server"),
    "scripted": Adapter("Apache-2.0", ("cpu",), "exact answers"),
    "nano": Adapter("Apache-2.0", ("cpu",), "its own weights"),
}
"""Backend of a duplex preset → what is known of its adapter."""

OURS = Part("", "", "Apache-2.0", ("cpu",), "exact answers")
"""A scripted agent: no model, and the right answer is known."""


def parts_of(spec: PipelineSpec) -> list[Part]:
    """The parts of a preset; none for an architecture from outside that names none."""
    from pipelines.registry import architecture, load_object

    path = architecture(spec.architecture).parts
    found: list[Part] = load_object(path)(spec) if path else []
    return found


def lacks(spec: PipelineSpec) -> list[str]:
    """Why the preset can't run here, a sentence each; empty: it can, as far as can be known."""
    from pipelines.errors import LabError
    from pipelines.models.needed import missing_of
    from pipelines.registry import architecture, load_object

    found = [m.why for m in missing_of(spec) if not m.wanted.startswith(SYNTHETIC)]
    if path := architecture(spec.architecture).missing:
        try:
            found += load_object(path)(spec)
        except LabError as error:
            found.append(str(error))
    return [*found, *_unbuildable(spec)]


def builds_first(spec: PipelineSpec) -> list[str]:
    """What the first run makes or builds before it begins, a few words each."""
    from pipelines.process import environment

    found = [
        f"the environment {name} ({environment.get(name).size})"
        for name in environments_of(spec)
        if environment.find(name) is None
    ]
    return [*found, *(f"random weights {what}" for what in _unmade(spec))]


def weights_word(spec: PipelineSpec) -> str:
    """Whether the files of its models are there: none needed, here, made by a run, or missing."""
    from pipelines.models.needed import missing_of, needed_by

    if spec.architecture == "duplex" and spec.stages["model"].backend == "nano":
        return "missing" if lacks(spec) else "here"
    if any(not m.wanted.startswith(SYNTHETIC) for m in missing_of(spec)):
        return "missing"
    if _unmade(spec):
        return "made by a run"
    named = [*needed_by(spec), *_synthetic(spec)]
    return "here" if named else "none needed"


def environments_of(spec: PipelineSpec) -> list[str]:
    """Engine environments that a preset's parts run in."""
    from pipelines.duplex.dispatch import BACKENDS
    from pipelines.engines.rows import engine_row

    if spec.architecture == "cascade":
        rows = [engine_row(s, spec.stages[s].engine) for s in ("stt", "llm", "tts")]
        return [row.environment for row in rows if row.environment]
    if spec.architecture == "duplex":
        name = BACKENDS[spec.stages["model"].backend].environment
        return [name] if name else []
    return []


def cascade_parts(spec: PipelineSpec) -> list[Part]:
    """Of the cascade: its three engines."""
    from pipelines.engines.rows import engine_row

    found = []
    for stage in ("stt", "llm", "tts"):
        row = engine_row(stage, spec.stages[stage].engine)
        model = spec.stages[stage].model or row.model
        found.append(_embedded(row, model))
    return found


def cascade_missing(spec: PipelineSpec) -> list[str]:
    """Engines that can't run here."""
    from pipelines.engines.rows import engine_row

    rows = [engine_row(s, spec.stages[s].engine) for s in ("stt", "llm", "tts")]
    return [f"{row.name} can't run: {row.refusal}." for row in rows if row.refusal]


def duplex_parts(spec: PipelineSpec) -> list[Part]:
    """Of a duplex model: its adapter."""
    from pipelines.duplex.dispatch import BACKENDS

    model = spec.stages["model"]
    row = DUPLEX[model.backend]
    licence = _licence(model.weights) if BACKENDS[model.backend].needs_weights else ""
    return [Part(model.backend, model.id, licence or row.licence, row.devices, row.tested)]


def duplex_missing(spec: PipelineSpec) -> list[str]:
    """A server that does not answer, the package to talk to it, or weights that are not here."""
    from pipelines.duplex.nano import files as nano_weights

    model = spec.stages["model"]
    row = DUPLEX[model.backend]
    found = [
        f"the package {name} is not installed: pip install 'duplex-lab[{row.extra}]'."
        for name in row.imports
        if importlib.util.find_spec(name) is None
    ]
    if model.backend == "server" and not _answers(model.url):
        found.append(f"no server answers at {model.url}: start one, or set url under [model].")
    if model.backend == "nano":  # told as an error if they are not here
        nano_weights.read(nano_weights.folder_of(model.weights), hashes=False)
    return found


def hosted_parts(spec: PipelineSpec) -> list[Part]:
    """Of hosted services: each stage's, or the embedded engine in its place."""
    from pipelines.engines.rows import engine_row
    from pipelines.hosted.options import DEFAULTS
    from pipelines.hosted.services import services_of

    services = services_of(spec)
    found = []
    for stage, service in services.items():
        model = str(spec.stages[stage].settings.get("model", ""))
        found.append(Part(service.name, model, "the vendor's", ("hosted",), service.tested))
    for stage, name in DEFAULTS.items():
        if stage not in services and "speech" not in services:
            row = engine_row(stage, name)
            found.append(_embedded(row, row.model))
    return found


def bot_parts(spec: PipelineSpec) -> list[Part]:
    """Of a user's bot: its file; what it calls is not known."""
    options = spec.stages["bot"]
    path: Path = options.path
    shipped = path.is_relative_to(Path(__file__).parents[1])
    licence, tested = ("Apache-2.0", "trained weights") if shipped else ("yours", "not by us")
    return [Part(path.name, "", licence, ("the bot's",), tested)]


def bot_missing(spec: PipelineSpec) -> list[str]:
    """The bot's file, where it is not there."""
    from pipelines.bot.load import BotError, require_file

    try:
        require_file(spec.stages["bot"].path)
    except BotError as error:
        return [str(error)]
    return []


def scripted_parts(spec: PipelineSpec) -> list[Part]:
    """Of scripted agents and the click agent: they hold no model."""
    return [Part(spec.architecture, "", OURS.licence, OURS.devices, OURS.tested)]


def _embedded(row: EngineRow, model: str) -> Part:
    """A cascade's engine with a model; of its tests, those with such weights, if there are any."""
    kind = "random" if model.startswith(SYNTHETIC) else "trained"
    tests = row.tested.split("; ")
    tested = "; ".join([t for t in tests if t.startswith(kind)] or tests)
    return Part(row.name, model, _licence(model) or row.licence, row.devices, tested)


def _licence(model: str) -> str:
    """Of a model's manifest; empty where it has none."""
    from pipelines.errors import LabError
    from pipelines.models.find import manifest_of

    try:
        manifest = manifest_of(model) if model and not model.startswith(SYNTHETIC) else None
    except LabError:
        return ""
    return manifest.licence if manifest else "made here" if model.startswith(SYNTHETIC) else ""


def _unbuildable(spec: PipelineSpec) -> list[str]:
    from pipelines.process import environment

    here = f"{platform.system()} {platform.machine()}"
    return [
        f"the engine environment {name} can't be built on {here}."
        for name in environments_of(spec)
        if environment.find(name) is None and here not in environment.get(name).machines
    ]


def _synthetic(spec: PipelineSpec) -> list[tuple[str, Any]]:
    """(stage, its options) of the stages whose weights are random ones made here."""
    if spec.architecture == "duplex":
        model = spec.stages["model"]
        from pipelines.duplex.dispatch import BACKENDS

        made = BACKENDS[model.backend].needs_weights and model.weights == SYNTHETIC
        return [("model", model)] if made else []
    if spec.architecture == "cascade":
        stages: Sequence[str] = ("stt", "llm", "tts")
        return [
            (part, spec.stages[part])
            for part, row in zip(stages, cascade_parts(spec), strict=True)
            if row.model.startswith(f"{SYNTHETIC}:")
        ]
    return []


def _unmade(spec: PipelineSpec) -> list[str]:
    from pipelines.duplex.moshi.weights import files as weights
    from pipelines.engines.rows import engine_row
    from pipelines.engines.synthetic.made import path_of
    from pipelines.weights.sizes import LM_NAMES

    found = []
    for stage, options in _synthetic(spec):
        if stage == "model":
            name = weights.size_of(options.id).name
            precision = "bf16" if options.precision == "f32" else options.precision
            if not (weights.folder_of(name) / LM_NAMES[precision]).exists():
                found.append(f"{name} {precision}")
        else:
            model = options.model or engine_row(stage, options.engine).model
            if not path_of(options.engine, model).exists():
                found.append(model.partition(":")[2])
    return found


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        port = parts.port or {"wss": 443, "https": 443}.get(parts.scheme, 80)
        with socket.create_connection((parts.hostname or "", port), SERVER_S):
            return True
    except (OSError, ValueError):
        return False
