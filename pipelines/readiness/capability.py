"""What a preset is made of, what it lacks here, and what its first run builds.

Each architecture answers for itself, by the functions that its row in `pipelines.registry` names;
here the answers are joined. Nothing is loaded, built, hashed or downloaded for them.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable

from pipelines.errors import LabError
from pipelines.models.needed import MADE_HERE, missing_of
from pipelines.process import environment
from pipelines.readiness.part import FILES, Files, Part
from pipelines.registry import answer
from pipelines.spec import PipelineSpec


def parts_of(spec: PipelineSpec) -> list[Part]:
    """The parts of a preset; none for an architecture from outside that names none."""
    return list(answer("parts", spec))


def lacks(spec: PipelineSpec) -> list[str]:
    """Why the preset can't run here, a sentence each; empty: it can, as far as is known."""
    found = [m.why for m in missing_of(spec) if not m.wanted.startswith(MADE_HERE)]
    try:
        found += answer("missing", spec)
    except LabError as error:
        found.append(str(error))
    return [*found, *_unbuildable(spec)]


def builds_first(spec: PipelineSpec) -> list[str]:
    """The work of the first run before it begins, a few words each."""
    found = [
        f"the environment {name} ({environment.get(name).size})"
        for name in environments_of(spec)
        if environment.find(name) is None
    ]
    return [*found, *(f"random weights {what}" for what in answer("makes", spec))]


def weights_word(parts: Iterable[Part]) -> Files:
    """State of the files of a preset's models; of several parts, the worst."""
    return min((part.files for part in parts), key=FILES.index, default="none needed")


def environments_of(spec: PipelineSpec) -> list[str]:
    """Engine environments that a preset's parts run in."""
    return list(answer("environments", spec))


def _unbuildable(spec: PipelineSpec) -> list[str]:
    here = f"{platform.system()} {platform.machine()}"
    return [
        f"the engine environment {name} can't be built on {here}."
        for name in environments_of(spec)
        if environment.find(name) is None and here not in environment.get(name).machines
    ]
