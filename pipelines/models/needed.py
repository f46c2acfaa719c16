"""Which model files a preset needs, and which of them are not there.

Each architecture says what its presets read (``reads`` of its row in `pipelines.registry`). `run`
asks before its first trial, and lists and tables of presets ask too; nothing is loaded, hashed or
downloaded for the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.models.find import MissingModelError, fetch_line, resolve
from pipelines.models.ids import ModelFilesError
from pipelines.registry import answer
from pipelines.spec import PipelineSpec

MADE_HERE = "synthetic"
"""Prefix of weights that are made on this machine, followed by their size: nothing to fetch."""


@dataclass(frozen=True, slots=True)
class Need:
    """A model that a preset names."""

    stage: str
    """Table of the preset."""
    wanted: str
    """Value of the option: an id or a path."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A model that a preset names and whose files are missing."""

    preset: str
    stage: str
    wanted: str
    """Value in the preset."""
    model_id: str
    """Argument for ``duplex-lab models fetch``; empty: it can't be fetched."""
    why: str
    """One sentence, with the command that fixes it."""


def needed_by(spec: PipelineSpec) -> tuple[Need, ...]:
    """The models that a preset reads from disk; none for engines that bring their own."""
    needs: list[Need] = answer("reads", spec)
    return tuple(need for need in needs if need.wanted and not need.wanted.startswith(MADE_HERE))


def missing_of(spec: PipelineSpec) -> tuple[Missing, ...]:
    """The models of a preset whose files are not there; empty: all are, or it needs none."""
    found = []
    for need in needed_by(spec):
        try:
            resolve(need.wanted)
        except ModelFilesError as error:
            model_id = error.model_id if isinstance(error, MissingModelError) else ""
            found.append(Missing(spec.name, need.stage, need.wanted, model_id, str(error)))
    return tuple(found)


def require(specs: Sequence[PipelineSpec]) -> None:
    """Refuses a run whose presets' models are not all there.

    Raises:
        ModelFilesError: one sentence with the line that fetches all that can be fetched.
    """
    missing = [m for spec in specs for m in missing_of(spec)]
    if not missing:
        return
    lost = next((m for m in missing if not m.model_id), None)
    if lost is not None:
        raise ModelFilesError(f"Preset {lost.preset}, [{lost.stage}]: {lost.why}")
    ids = list(dict.fromkeys(m.model_id for m in missing))
    presets = ", ".join(dict.fromkeys(m.preset for m in missing))
    are = "is" if len(ids) == 1 else "are"
    raise ModelFilesError(
        f"{', '.join(ids)} {are} needed by {presets} and not (wholly) on this machine; fetch "
        f"first: {fetch_line(ids)}"
    )
