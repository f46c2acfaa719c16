"""What must be the same in two measurements before their figures may be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.compare.pairs import Side
from bench.stats.format import DASH
from pipelines.errors import LabError

MACHINE = ("cpu", "cores", "cores_allowed", "memory_gb", "machine")
"""Fields of ``run.json``'s machine that identify a machine."""
NAMED = 3
"""Number of differing names that a message lists; the rest are counted."""


class NotComparableError(LabError):
    """Two measurements differ in something that must match; the text names it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a side."""

    path: str
    """The run's folder, for messages."""
    info: Mapping[str, Any]
    """``run.json``."""
    schema: int
    """Version of the schema of ``metrics.parquet``."""

    @property
    def machine(self) -> Mapping[str, Any]:
        """What the run recorded of its machine; empty if nothing."""
        found = self.info.get("machine")
        return found if isinstance(found, Mapping) else {}


def check_runs(base: Origin, candidate: Origin, *, across_machines: bool) -> list[str]:
    """Checks that two runs may be compared.

    Args:
        base: The one run.
        candidate: The other.
        across_machines: Two machines are allowed.

    Returns:
        What differs and may, a sentence each: versions, the commit.

    Raises:
        NotComparableError: what must match does not.
    """
    if base.schema != candidate.schema:
        older = base if base.schema < candidate.schema else candidate
        raise NotComparableError(
            f"{base.path} and {candidate.path} can't be compared: their metrics are of different "
            f"schemas ({base.schema} and {candidate.schema}); compute the older ones again: "
            f"duplex-lab metrics {older.path}"
        )
    if base.path == candidate.path:
        return []
    notes = []
    different = list(machine_differences(base, candidate))
    if different:
        told = "; ".join(different)
        if not across_machines:
            raise NotComparableError(
                f"{base.path} and {candidate.path} can't be compared: they were measured on "
                f"different machines ({told}); with --across-machines what the machines do is part "
                "of the difference"
            )
        notes.append(f"Measured on different machines ({told}): every difference is theirs too.")
    else:
        notes.append(
            "Two runs, one after the other: whatever changed on the machine in between is part of "
            "every difference. Two presets of one run are interleaved and share it."
        )
    return notes + list(_version_differences(base, candidate))


def machine_differences(base: Origin, candidate: Origin) -> Iterator[str]:
    """In what the machines of two runs differ, or that one is unknown; none: the same kind.

    Machines of a cluster have names, by which two of a kind are told apart.
    """
    for origin in (base, candidate):
        if not origin.machine:
            yield f"{origin.path} does not say on which"
            return
    names = [origin.machine.get("name") for origin in (base, candidate)]
    if None not in names and names[0] != names[1]:  # two of a kind are two all the same
        yield f"name: {names[0]} and {names[1]}"
    for name in MACHINE:
        # Memory is what the system leaves to programs; a new kernel changes it a little.
        own, theirs = (_rounded(origin.machine.get(name)) for origin in (base, candidate))
        if own != theirs:
            yield f"{name}: {_told(own)} and {_told(theirs)}"


def _rounded(value: Any) -> Any:
    return round(value) if isinstance(value, float) else value


def _told(value: Any) -> str:
    return DASH if value is None else str(value)


def _version_differences(base: Origin, candidate: Origin) -> Iterator[str]:
    for name in ("system", "python"):
        own, theirs = (origin.machine.get(name) for origin in (base, candidate))
        if own != theirs:
            yield f"{name}: {_told(own)}, then {_told(theirs)}."
    own, theirs = (_table(origin.machine.get("packages")) for origin in (base, candidate))
    for name in sorted({*own, *theirs}):
        if own.get(name) != theirs.get(name):
            yield f"{name}: {_told(own.get(name))}, then {_told(theirs.get(name))}."
    own, theirs = (_table(origin.machine.get("commit")) for origin in (base, candidate))
    if own.get("sha") != theirs.get("sha"):
        shas = (str(_told(commit.get("sha")))[:10] for commit in (own, theirs))
        yield f"commit: {', then '.join(shas)}."


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def check_sides(base: Side, candidate: Side) -> list[str]:
    """Checks that two sides may be compared.

    Returns:
        What is left out, a sentence each.

    Raises:
        NotComparableError: their weights differ, or the audio of a fixture, or they share none.
    """
    both = f"{base.preset} ({base.run}) and {candidate.preset} ({candidate.run})"
    own, theirs = (sorted({t.weights for t in side.trials}) for side in (base, candidate))
    if own != theirs:
        raise NotComparableError(
            f"{both} can't be compared: their weights differ ({', '.join(own) or DASH} and "
            f"{', '.join(theirs) or DASH})"
        )
    common = [name for name in base.fixtures if name in candidate.fixtures]
    if not common:
        raise NotComparableError(f"{both} can't be compared: they share no fixture")
    changed = [name for name in common if base.fixtures[name] != candidate.fixtures[name]]
    if changed:
        raise NotComparableError(
            f"{both} can't be compared: the audio or labels of {_some(changed)} are not the same "
            "(their sha256 differ)"
        )
    notes = []
    for side in (base, candidate):
        left = [name for name in side.fixtures if name not in common]
        if left:
            notes.append(f"Left out, only {side.preset} ({side.run}) heard them: {_some(left)}.")
    prerolls = [sorted({t.preroll_ms for t in side.trials}) for side in (base, candidate)]
    if prerolls[0] != prerolls[1]:
        told = ", then ".join("/".join(f"{ms:g}" for ms in of_side) for of_side in prerolls)
        notes.append(f"Heard behind different pre-rolls: B = {told} ms.")
    networks = [sorted({t.network or "none" for t in side.trials}) for side in (base, candidate)]
    if networks[0] != networks[1]:
        told = ", then ".join("/".join(of_side) for of_side in networks)
        notes.append(f"Over different networks ({told}): every difference is theirs too.")
    return notes


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
