"""Which adapter serves which duplex model: by the prefix of the model's id, and its backend.

An adapter's row lies in a small file beside its module, in a room below this one, and is found.
"""

from __future__ import annotations

from functools import cache

from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.row import AdapterRow
from pipelines.errors import SpecError
from pipelines.registry import refusal
from pipelines.rows import rows_of

VOICE_PIPELINE = "voice-pipeline-"
"""Prefix of an id that names a cascade: the rest is its preset."""


@cache
def all_rows() -> tuple[AdapterRow, ...]:
    """The adapters: by their first family, and within it those with an environment first."""
    found: list[AdapterRow] = rows_of("pipelines.duplex")
    return tuple(sorted(found, key=lambda row: (row.families[0], not row.environment, row.name)))


def families() -> dict[str, tuple[str, ...]]:
    """Prefix of a model id → the backends that can serve it."""
    prefixes = dict.fromkeys(prefix for row in all_rows() for prefix in row.families)
    return {p: tuple(row.name for row in all_rows() if p in row.families) for p in prefixes}


def is_remote(backend: str) -> bool:
    """Whether a backend computes elsewhere, where nothing can be held still or timed from here."""
    return any(row.remote for row in all_rows() if row.name == backend)


def adapter_of(model: ModelOptions, where: str = "[model]") -> AdapterRow:
    """The adapter of a model.

    Raises:
        SpecError: no adapter serves it.
    """
    if why := refusal(model.id):
        raise SpecError(f"{where}: id = {why}")
    if model.id.startswith(VOICE_PIPELINE):
        raise SpecError(
            f"{where}: id = {model.id!r} names a cascade and no model: name the preset "
            f"{model.id.removeprefix(VOICE_PIPELINE)!r} itself."
        )
    prefix = model.id.partition("-")[0]
    known = families()
    if prefix not in known:
        named = ", ".join(f"{name}-…" for name in known)
        raise SpecError(f"{where}: id = {model.id!r} is of no known family; known: {named}.")
    if model.backend not in known[prefix]:
        able = " or ".join(repr(name) for name in known[prefix])
        raise SpecError(
            f"{where}: backend = {model.backend!r} does not serve {model.id!r}: set {able}."
        )
    row = next(row for row in all_rows() if row.name == model.backend)
    if row.remote and not model.url:
        raise SpecError(
            f'{where}: backend = {row.name!r} needs its address: set url = "ws://host:port".'
        )
    return row
