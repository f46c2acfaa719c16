"""The meaning of a preset's ``weights`` for Moshi's adapters, see `duplex.session.row.Weights`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.duplex.moshi.weights import files
from pipelines.duplex.session.options import ModelOptions
from pipelines.errors import SpecError
from pipelines.models.hashing import hashes_of
from pipelines.weights.sizes import LM_NAMES, SIZES


class MoshiWeights:
    """``synthetic`` (made here, of the id's size), a folder, or a model that was fetched."""

    def arguments(self, model: ModelOptions) -> dict[str, Any]:
        """See `pipelines.duplex.session.row.Weights.arguments`."""
        return files.find(model).options

    def check(self, model: ModelOptions, where: str) -> None:
        """Refuses synthetic weights that are not made."""
        if model.weights != files.SYNTHETIC:
            return
        size = SIZES.get(model.id.rpartition("-")[2])
        if size is None:
            raise SpecError(
                f"{where}: id = {model.id!r} names no size of synthetic weights: end it in "
                f"{', '.join(SIZES)}, as in moshi-tiny, or set weights to a folder or a model id."
            )
        if model.precision not in size.precisions:
            raise SpecError(
                f"{where}: precision = {model.precision!r}, but synthetic weights of {model.id!r} "
                f"are made in {', '.join(size.precisions)} alone: choose one of these, or a "
                "smaller size."
            )

    def provide(self, model: ModelOptions, tell: Callable[[str], None]) -> str:
        """See `pipelines.duplex.session.row.Weights.provide`."""
        return "synthetic" if files.find(model, tell).synthetic else "trained"

    def listed(self, model: ModelOptions) -> list[dict[str, str]]:
        """See `pipelines.duplex.session.row.Weights.listed`."""
        folder = files.find(model)
        known = folder.manifest.get("files", {})
        found = []
        for part, path in ((part, Path(text)) for part, text in folder.options.items()):
            sha256 = known.get(path.name, {}).get("sha256") or hashes_of(path).sha256
            found.append({"name": f"{model.id} {part}", "file": path.name, "sha256": sha256})
        return found

    def reads(self, model: ModelOptions) -> str:
        """See `pipelines.duplex.session.row.Weights.reads`."""
        return "" if model.weights == files.SYNTHETIC else model.weights

    def unmade(self, model: ModelOptions) -> str:
        """See `pipelines.duplex.session.row.Weights.unmade`."""
        if model.weights != files.SYNTHETIC:
            return ""
        name = files.size_of(model.id).name
        precision = "bf16" if model.precision == "f32" else model.precision  # computed from it
        there = (files.folder_of(name) / LM_NAMES[precision]).exists()
        return "" if there else f"{name} {precision}"

    def missing(self, model: ModelOptions) -> list[str]:
        """Nothing: the models of `reads` report what a fetch brings."""
        return []


def sampling(model: ModelOptions) -> dict[str, Any]:
    """The options that the adapters of Moshi's weights share."""
    return {
        "precision": model.precision,
        "temperature": model.temperature,
        "text_temperature": model.text_temperature,
        "threads": model.threads,
    }
