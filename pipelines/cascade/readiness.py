"""The parts of a cascade, before it runs: what they lack, and what is made first.

Nothing here imports Pipecat.
"""

from __future__ import annotations

from pipelines.engines.adapters import STAGES, engine_row
from pipelines.engines.model_files import model_of
from pipelines.engines.parts import part_of, unmade
from pipelines.engines.row import EngineRow
from pipelines.models.needed import Need
from pipelines.readiness.part import Part
from pipelines.registry import load_object
from pipelines.spec import PipelineSpec


def parts(spec: PipelineSpec) -> list[Part]:
    """Its three engines."""
    return [part_of(row, spec.stages[row.stage].model) for row in _rows(spec)]


def missing(spec: PipelineSpec) -> list[str]:
    """Engines that can't run here, and servers that do not answer."""
    refused = [f"{row.name} can't run: {row.refusal}." for row in _rows(spec) if row.refusal]
    servers = [load_object(row.lacks)(spec.stages[row.stage]) for row in _rows(spec) if row.lacks]
    return [*refused, *(said for said in servers if said)]


def environments(spec: PipelineSpec) -> list[str]:
    """Engine environments that its engines run in."""
    return [row.environment for row in _rows(spec) if row.environment]


def makes(spec: PipelineSpec) -> list[str]:
    """Random weights that a run makes first, by their sizes."""
    sizes = [unmade(row, spec.stages[row.stage].model) for row in _rows(spec)]
    return [size for size in sizes if size]


def reads(spec: PipelineSpec) -> tuple[Need, ...]:
    """The models that its engines read from disk."""
    named = ((row.stage, model_of(spec.stages[row.stage])) for row in _rows(spec) if row.reads)
    return tuple(Need(stage, model) for stage, model in named)


def _rows(spec: PipelineSpec) -> list[EngineRow]:
    return [engine_row(stage, spec.stages[stage].engine) for stage in STAGES]
