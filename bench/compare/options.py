"""Which options of two presets differ, by what their runs recorded of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SECTIONS = ("audio", "stages")
"""Keys of a preset in ``run.json`` that hold options."""


@dataclass(frozen=True, slots=True)
class OptionDifference:
    """One option that is not the same."""

    option: str
    """Its name, with that of its table: ``turns.vad_stop_secs``."""
    base: Any
    """The base's value, of a plain JSON type; None where it has no such option."""
    candidate: Any
    """The candidate's value."""


def differing(
    base: Mapping[str, Any] | None, candidate: Mapping[str, Any] | None
) -> tuple[OptionDifference, ...]:
    """The options that differ, in the order of the base; none where a run did not record them.

    Args:
        base: The base's entry in ``presets`` of its ``run.json``.
        candidate: The candidate's.
    """
    if not base or not candidate:
        return ()
    own, theirs = dict(_flat(base)), dict(_flat(candidate))
    return tuple(
        OptionDifference(name, own.get(name), theirs.get(name))
        for name in dict.fromkeys([*own, *theirs])
        if own.get(name) != theirs.get(name)
    )


def _flat(preset: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, value) of every option; those of a stage stand under its name."""
    yield "architecture", preset.get("architecture")
    for section in SECTIONS:
        found = preset.get(section)
        if isinstance(found, Mapping):
            yield from _named("" if section == "stages" else section, found)


def _named(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        whole = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            yield from _named(whole, value)
        else:
            yield whole, value
