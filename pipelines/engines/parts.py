"""An engine as a part of a preset: its row, its model, and the model's files."""

from __future__ import annotations

from pipelines.engines.made import PREFIX, path_of
from pipelines.engines.row import EngineRow
from pipelines.readiness.part import Files, Part, files_of, licence_of


def part_of(row: EngineRow, model: str) -> Part:
    """An engine with a model; with the tests for such weights, if there are any."""
    model = model or row.model
    kind = "random" if model.startswith(PREFIX) else "trained"
    tests = row.tested.split("; ")
    tested = "; ".join([t for t in tests if t.startswith(kind)] or tests)
    licence = licence_of(model) or row.licence
    files = _files(row, model)
    return Part(row.name, model, licence, row.devices, tested, files, row.capabilities)


def unmade(row: EngineRow, model: str) -> str:
    """The size of random weights that a run makes first; empty: none."""
    model = model or row.model
    if not model.startswith(PREFIX) or path_of(row.name, model).exists():
        return ""
    return model.removeprefix(PREFIX)


def _files(row: EngineRow, model: str) -> Files:
    if not row.reads:
        return "none needed"
    if model.startswith(PREFIX):
        return "made by a run" if unmade(row, model) else "here"
    return files_of(model)
