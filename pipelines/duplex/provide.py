"""What a duplex preset needs and this machine lacks is made before the run; and what it used."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.duplex.build import check
from pipelines.duplex.dispatch import backend_of
from pipelines.duplex.options import ModelOptions
from pipelines.spec import PipelineSpec


def provide(spec: PipelineSpec, tell: Callable[[str], None]) -> None:
    """Builds the preset's engine environment and makes its synthetic weights, where missing.

    Raises:
        LabError: the preset is wrong, or what it needs can't be made here.
    """
    check(spec)
    provide_model(spec.stages["model"], tell)


def provide_model(model: ModelOptions, tell: Callable[[str], None]) -> None:
    """The same for a model alone.

    Raises:
        LabError: as `provide`.
    """
    backend = backend_of(model)
    if backend.environment:
        from pipelines import environment

        environment.ensure(backend.environment, tell)
    if backend.needs_weights:
        from pipelines.duplex import weights

        weights.ensure_for(model, tell)


def model_files(spec: PipelineSpec) -> list[dict[str, str]]:
    """The files of the preset's model, as ``run.json`` lists them: name, file, sha256."""
    model: ModelOptions = spec.stages["model"]
    if not backend_of(model).needs_weights:
        return []
    from pipelines.duplex import weights

    return weights.files(model)
