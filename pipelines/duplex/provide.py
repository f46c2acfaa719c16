"""What a duplex preset needs and this machine lacks is made before the run; and what it used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from pipelines.duplex.checks import check, check_label
from pipelines.duplex.dispatch import backend_of
from pipelines.duplex.nano import files as nano_weights
from pipelines.duplex.session.options import ModelOptions
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
        What the weights' files turned out to be, ``synthetic`` or ``trained``; empty: no files.

    Raises:
        LabError: as `provide`.
    """
    backend = backend_of(model)
    if backend.environment:
        from pipelines.process import environment

        environment.ensure(backend.environment, tell)
    if model.backend == "nano":
        return nano_weights.read(nano_weights.folder_of(model.weights)).label
    if not backend.needs_weights:
        return ""
    from pipelines.duplex.moshi.weights import files as weights

    return "synthetic" if weights.find(model, tell).synthetic else "trained"


def model_files(spec: PipelineSpec) -> list[dict[str, str]]:
    """The files of the preset's model, as ``run.json`` lists them: name, file, sha256."""
    model: ModelOptions = spec.stages["model"]
    if model.backend == "nano":
        found = nano_weights.read(nano_weights.folder_of(model.weights))
        return [
            {"name": f"{model.id} {Path(name).stem}", "file": name, "sha256": told["sha256"]}
            for name, told in found.card["files"].items()
        ]
    if not backend_of(model).needs_weights:
        return []
    from pipelines.duplex.moshi.weights import files as weights

    folder = weights.find(model)
    known = folder.manifest.get("files", {})
    return [
        {
            "name": f"{model.id} {part}",
            "file": Path(path).name,
            "sha256": known.get(Path(path).name, {}).get("sha256") or _sha256(Path(path)),
        }
        for part, path in folder.options.items()
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
