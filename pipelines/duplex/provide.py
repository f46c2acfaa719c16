"""Makes what a duplex preset needs and this machine lacks, before the run; lists what it used."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.duplex.adapters import adapter_of
from pipelines.duplex.checks import check, check_label
from pipelines.duplex.session.options import ModelOptions
from pipelines.process import environment
from pipelines.spec import PipelineSpec

Tell = Callable[[str], None]


def provide(spec: PipelineSpec, tell: Tell) -> None:
    """Builds the preset's engine environment and makes its synthetic weights, where missing.

    Raises:
        LabError: the preset is wrong, or what it needs can't be made here.
    """
    check(spec)
    label = provide_model(spec.stages["model"], tell)
    if label:
        check_label(spec, (label,))


def provide_model(model: ModelOptions, tell: Tell) -> str:
    """The same for a model alone.

    Returns:
        Label of the weights' files, ``synthetic`` or ``trained``; empty: no files.

    Raises:
        LabError: as `provide`.
    """
    row = adapter_of(model)
    if row.environment:
        environment.ensure(row.environment, tell)
    return row.weights.provide(model, tell) if row.weights else ""


def model_files(spec: PipelineSpec) -> list[dict[str, str]]:
    """The files of the preset's model, as ``run.json`` lists them: name, file, sha256."""
    model: ModelOptions = spec.stages["model"]
    row = adapter_of(model)
    return row.weights.listed(model) if row.weights else []
