"""The matrix of presets: parts of each, how it was tested, and whether it can run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.errors import LabError
from pipelines.readiness.capability import builds_first, lacks, parts_of, weights_word
from pipelines.readiness.part import Part
from pipelines.registry import REFUSED
from pipelines.spec import load_spec, preset_names


@dataclass(frozen=True, slots=True)
class PresetRow:
    """One preset, or one model that is refused."""

    name: str
    title: str
    kind: str
    weights: str
    """Label of its results: trained, synthetic or scripted."""
    parts: tuple[Part, ...]
    files: str
    """State of its models: none needed, here, made by a run, or missing."""
    missing: tuple[str, ...]
    """Why it can't run here, a sentence each; empty if it can."""
    builds: tuple[str, ...]
    """Work that its first run does: builds, models to make."""
    modalities: tuple[str, ...] = ()
    """What it makes of what."""

    @property
    def available(self) -> bool:
        """True if it can run here, as far as is known without running it."""
        return not self.missing

    def to_dict(self) -> dict[str, Any]:
        """As JSON-like types."""
        return {**asdict(self), "available": self.available}


def rows(names: Sequence[str] | None = None) -> list[PresetRow]:
    """The matrix of these presets, by default all shipped ones; then the refused models."""
    found = [row_of(name) for name in (preset_names() if names is None else names)]
    if names is None:
        found += [
            PresetRow(name, "refused", "–", "–", (), "missing", (f"{name} {why}.",), ())
            for name, why in REFUSED.items()
        ]
    return found


def row_of(name: str) -> PresetRow:
    """One preset's row; a preset that can't be read gets a row that says so."""
    try:
        spec = load_spec(name)
        parts = tuple(parts_of(spec))
        return PresetRow(
            spec.name,
            spec.title,
            spec.kind,
            spec.weights,
            parts,
            weights_word(parts),
            tuple(lacks(spec)),
            tuple(builds_first(spec)),
            spec.modalities,
        )
    except LabError as error:
        return PresetRow(name, "", "–", "–", (), "missing", (str(error),), ())
