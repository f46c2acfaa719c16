"""What this machine can run, what may meet its budget, and what to install for the rest."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.machine import description as machine
from bench.machine import hardware
from bench.machine.core_speed import Speed
from bench.machine.costs import Costs, Estimate, Own, estimate, measured_here
from bench.machine.matrix import PresetRow
from pipelines.process import environment

EXTRAS: dict[str, tuple[str, str]] = {
    "server": ("sphn", "talking to a Moshi or PersonaPlex server"),
    "notebooks": ("nbclient", "reading results in notebooks"),
    "ray": ("ray", "sweeps on several machines"),
    "otel": ("opentelemetry.sdk", "a run's marks as traces"),
    "browser": ("playwright", "looking at the report in a browser"),
    "training": ("torch", "making our own small models"),
}
"""Extra of duplex-lab → (a module that it installs, its purpose)."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, before it is printed."""

    system: dict[str, Any]
    """CPU, cores, memory, system, as every run records them."""
    features: hardware.Found
    gpus: hardware.Found
    audio: hardware.Found
    speed: Speed
    """The speed of one core, probed now."""
    extras: dict[str, bool]
    """Extra of duplex-lab → installed."""
    environments: dict[str, bool]
    """Engine environment → built, or named by the user."""
    presets: tuple[PresetRow, ...]
    estimates: dict[str, Estimate]
    """Preset that can run here, or ran here → its cost."""

    @property
    def level(self) -> tuple[int, str]:
        """The machine's level by its GPU."""
        return hardware.level(self.gpus.items)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-like types."""
        number, fits = self.level
        return {
            "system": self.system,
            "cpu_features": asdict(self.features),
            "gpus": asdict(self.gpus),
            "level": {"number": number, "fits": fits},
            "audio_devices": asdict(self.audio),
            "speed": asdict(self.speed),
            "extras": self.extras,
            "environments": self.environments,
            "presets": {
                row.name: {
                    "available": row.available,
                    "missing": row.missing,
                    "builds": row.builds,
                    "estimate": asdict(self.estimates[row.name])
                    if row.name in self.estimates
                    else None,
                }
                for row in self.presets
            },
            "advice": advice(self),
        }


def examine(
    rows: list[PresetRow], costs: Costs, speed: Speed, own: Sequence[Own] = ()
) -> Examination:
    """Looks at this machine.

    Args:
        rows: The matrix of presets.
        costs: Their costs as measured on a known machine.
        speed: This machine's probe.
        own: What runs of this machine measured; it stands in place of estimates.
    """
    system = {k: v for k, v in machine.describe().items() if k not in ("packages", "commit")}
    worth = [r.name for r in rows if r.available and r.weights in ("trained", "synthetic")]
    shipped = {row.name for row in rows}
    here = {one.preset: found for one in own if (found := measured_here(one)) is not None}
    return Examination(
        system=system,
        features=hardware.cpu_features(),
        gpus=hardware.gpus(system["memory_gb"]),
        audio=hardware.audio_devices(),
        speed=speed,
        extras={name: _there(module) for name, (module, _) in EXTRAS.items()},
        environments={n: environment.find(n) is not None for n in environment.ENVIRONMENTS},
        presets=tuple(rows),
        estimates={name: here.get(name) or estimate(name, costs, speed) for name in worth}
        | {name: found for name, found in here.items() if name not in shipped},
    )


def advice(found: Examination) -> list[str]:
    """What to install or set for presets that can't run yet, a sentence each, the nearest first."""
    told = [
        f"duplex-lab engines build {name}: {environment.get(name).what} "
        f"({environment.get(name).size}); a run that needs it builds it too."
        for name, built in found.environments.items()
        if not built
    ]
    told += [
        f"pip install 'duplex-lab[{name}]': {EXTRAS[name][1]}."
        for name, installed in found.extras.items()
        if not installed
    ]
    by_reason: dict[str, list[str]] = {}
    for row in found.presets:
        for reason in row.missing:
            by_reason.setdefault(reason, []).append(row.name)
    told += [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    if "amx_int8" in found.features.items:
        told.append(
            "This CPU has AMX: llama.cpp built with -march=native has crashed on such machines; "
            "take the portable build that 'engines build llama' makes."
        )
    memory_gb = found.system.get("memory_gb")
    if memory_gb is not None and memory_gb < 8:
        told.append(f"{memory_gb} GB of memory: leave duplex-7b-q4 and duplex-1b out.")
    return told


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
