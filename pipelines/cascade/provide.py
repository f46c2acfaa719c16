"""Makes what a cascade's preset needs and this machine lacks, before the run begins."""

from __future__ import annotations

from pipelines.cache import Tell
from pipelines.engines import made
from pipelines.engines.adapters import STAGES, engine_row
from pipelines.engines.model_files import has_random_weights, model_of
from pipelines.engines.row import EngineRow, Stage
from pipelines.errors import SpecError
from pipelines.process import environment
from pipelines.spec import PipelineSpec


def provide(spec: PipelineSpec, tell: Tell) -> None:
    """Builds the engines' environments and makes models with random weights, where missing.

    Raises:
        LabError: the preset is wrong, or what it needs can't be made here.
    """
    random = check(spec)
    for stage in STAGES:
        row = engine_row(stage, spec.stages[stage].engine)
        if row.environment:
            environment.ensure(row.environment, tell)
        if (model := model_of(spec.stages[stage])).startswith(made.PREFIX):
            made.ensure(row.name, model, tell)
    _check_label(spec, random)


def check(spec: PipelineSpec) -> list[Stage]:
    """Refuses what can't be built; returns the stages with random weights.

    Raises:
        SpecError: an engine can't run here, or a model's size is unknown.
    """
    random = []
    for stage in STAGES:
        options = spec.stages[stage]
        row = engine_row(stage, options.engine)
        if row.refusal:
            raise SpecError(f"{spec.name}.toml [{stage}]: {row.name} can't run: {row.refusal}.")
        model = model_of(options)
        if model.startswith(made.PREFIX):
            _check_takes_models(spec, row)
            made.path_of(row.name, model)
        if model and not row.service and has_random_weights(row.name, model):
            random.append(stage)
    return random


def _check_takes_models(spec: PipelineSpec, row: EngineRow) -> None:
    if not row.maker:
        raise SpecError(
            f"{spec.name}.toml [{row.stage}]: {row.name} takes no model of ours: leave 'model' "
            "out, or name another engine."
        )


def _check_label(spec: PipelineSpec, random: list[Stage]) -> None:
    """Refuses a preset whose rows would be mislabelled."""
    if random and spec.weights != "synthetic":
        tables = ", ".join(f"[{stage}]" for stage in random)
        raise SpecError(
            f"{spec.name}.toml: weights = {spec.weights!r}, but {tables} "
            f"{'has' if len(random) == 1 else 'have'} random weights, and a conversation with "
            "them means nothing: set weights = 'synthetic', or name trained models."
        )
    if not random and spec.weights == "synthetic":
        raise SpecError(
            f"{spec.name}.toml: weights = 'synthetic', but no stage has random weights: "
            "set weights = 'trained'."
        )
