"""The parts of a preset, as its architecture describes them: one record for each engine or
adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.errors import LabError
from pipelines.models.find import manifest_of, resolve
from pipelines.models.ids import ModelFilesError
from pipelines.models.needed import MADE_HERE
from pipelines.spec import PipelineSpec

Files = Literal["missing", "made by a run", "here", "none needed"]
FILES: tuple[Files, ...] = ("missing", "made by a run", "here", "none needed")
"""States of model files, the worst first."""


@dataclass(frozen=True, slots=True)
class Part:
    """One engine, service or adapter of a preset."""

    name: str
    """Name in the preset."""
    model: str
    """Its model; empty: it brings its own."""
    licence: str
    """Licence of the model where it is known, else of the library."""
    devices: tuple[str, ...]
    """Devices that it can compute on."""
    tested: str
    """Weights or doubles with which our tests run it."""
    files: Files = "none needed"
    """State of its model's files on this machine."""
    capabilities: tuple[str, ...] = ()
    """Abilities beyond those that every part of its kind has, a few words each."""


def without_model(spec: PipelineSpec) -> list[Part]:
    """The part of a scripted agent or the click agent: no model, and the right answer is known."""
    return [Part(spec.architecture, "", "Apache-2.0", ("cpu",), "exact answers")]


def licence_of(model: str) -> str:
    """The licence in a model's manifest; empty where it has none."""
    if model.startswith(MADE_HERE):
        return "made here"
    try:
        manifest = manifest_of(model) if model else None
    except LabError:
        return ""
    return manifest.licence if manifest else ""


def files_of(model: str) -> Files:
    """State of the files of a model that `pipelines.models` knows, or of a path."""
    try:
        resolve(model)
    except ModelFilesError:
        return "missing"
    return "here"
