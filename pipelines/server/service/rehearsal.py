"""A conversation that nobody has: what the first one would import is there before the port opens.

Measured: the first conversation of a cascade imports 47,000 objects. They are then left out of the
garbage collector's looks (`pipelines.heap.lasting`), as is what was loaded before.
"""

from __future__ import annotations

from pipelines.duplex.adapters import adapter_of
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.spec import PipelineSpec

OURS = ("cascade", "duplex")
"""Architectures whose pipeline reaches nobody outside before somebody speaks."""


def can_rehearse(spec: PipelineSpec, pids: list[int]) -> bool:
    """Whether a preset's models are in processes of ours, and nowhere else."""
    if not pids or spec.architecture not in OURS:
        return False
    return spec.kind != "duplex" or not adapter_of(spec.stages["model"]).remote


async def rehearse(spec: PipelineSpec, models: ModelPool) -> None:
    """Starts a conversation with a preset, and ends it; its models come to rest.

    Raises:
        LabError: its pipeline can't be started.
    """
    from pipelines.server.session.pipeline import PipelineBackend

    backend = PipelineBackend(spec, models, MarkList())
    await backend.start(lambda event: None)
    await backend.stop()
    await models.settle()
