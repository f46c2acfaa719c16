"""The part of a duplex preset, before it runs: its adapter, what it lacks or makes first.

Nothing here imports Pipecat.
"""

from __future__ import annotations

import importlib.util
import socket
from urllib.parse import urlsplit

from pipelines.duplex.adapters import adapter_of
from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.row import AdapterRow
from pipelines.errors import LabError
from pipelines.models.needed import Need
from pipelines.readiness.part import Files, Part, files_of, licence_of
from pipelines.spec import PipelineSpec

SERVER_S = 0.3
"""Longest search for a server on this machine, s."""


def parts(spec: PipelineSpec) -> list[Part]:
    """Its adapter."""
    model, row = _of(spec)
    licence = (row.weights and licence_of(model.weights)) or row.licence
    files = _files(model, row)
    return [Part(row.name, model.id, licence, row.devices, row.tested, files, _can(row))]


_ABILITIES = {
    "text_stream": "text stream",
    "forced_text": "forced text",
    "sum_condition": "condition",
    "voice_prompt": "voice prompt",
    "text_prompt": "text prompt",
}
"""Field of `Capabilities` → its words."""


def _can(row: AdapterRow) -> tuple[str, ...]:
    """The abilities of an adapter, as its row declares them."""
    can = [words for name, words in _ABILITIES.items() if name in row.abilities]
    if row.prompts:
        can += ["voice prompt", "text prompt"]
    return tuple(can)


def missing(spec: PipelineSpec) -> list[str]:
    """A server that does not answer, the package to talk to it, or weights that are not here.

    Raises:
        LabError: weights are damaged.
    """
    model, row = _of(spec)
    found = [
        f"the package {name} is not installed: pip install 'duplex-lab[{row.extra}]'."
        for name in row.imports
        if importlib.util.find_spec(name) is None
    ]
    if row.remote and not _answers(model.url):
        found.append(f"no server answers at {model.url}: start one, or set url under [model].")
    return [*found, *(row.weights.missing(model) if row.weights else [])]


def environments(spec: PipelineSpec) -> list[str]:
    """The engine environment of its adapter."""
    name = _of(spec)[1].environment
    return [name] if name else []


def makes(spec: PipelineSpec) -> list[str]:
    """Random weights that a run makes first."""
    model, row = _of(spec)
    unmade = row.weights.unmade(model) if row.weights else ""
    return [unmade] if unmade else []


def reads(spec: PipelineSpec) -> tuple[Need, ...]:
    """The model that its adapter reads from disk."""
    model, row = _of(spec)
    wanted = row.weights.reads(model) if row.weights else ""
    return (Need("model", wanted),) if wanted else ()


def _of(spec: PipelineSpec) -> tuple[ModelOptions, AdapterRow]:
    model: ModelOptions = spec.stages["model"]
    return model, adapter_of(model, f"{spec.name}.toml [model]")


def _files(model: ModelOptions, row: AdapterRow) -> Files:
    if row.weights is None:
        return "none needed"
    if row.weights.unmade(model):
        return "made by a run"
    if wanted := row.weights.reads(model):
        return files_of(wanted)
    try:
        return "missing" if row.weights.missing(model) else "here"
    except LabError:
        return "missing"


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        port = parts.port or {"wss": 443, "https": 443}.get(parts.scheme, 80)
        with socket.create_connection((parts.hostname or "", port), SERVER_S):
            return True
    except (OSError, ValueError):
        return False
