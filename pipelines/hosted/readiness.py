"""The parts of a preset of hosted services; `services.missing_of` lists what it lacks."""

from __future__ import annotations

from pipelines.engines.adapters import engine_row
from pipelines.engines.parts import part_of
from pipelines.hosted.options import DEFAULTS
from pipelines.hosted.services import services_of
from pipelines.readiness.part import Part
from pipelines.spec import PipelineSpec


def parts(spec: PipelineSpec) -> list[Part]:
    """Each stage's service, or the embedded engine in its place."""
    services = services_of(spec)
    found = []
    for stage, service in services.items():
        model = str(spec.stages[stage].settings.get("model", ""))
        found.append(Part(service.name, model, "the vendor's", ("hosted",), service.tested))
    for stage, name in DEFAULTS.items():
        if stage not in services and "speech" not in services:
            found.append(part_of(engine_row(stage, name), ""))
    return found
