"""``duplex-lab doctor``: the machine's hardware, what it can run, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.console import Screen, console
from bench.store.results import RESULTS

if TYPE_CHECKING:
    from bench.machine.hardware import Gpu


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
    root: Annotated[
        Path, typer.Option("--root", help="The folder that holds this machine's runs.")
    ] = RESULTS,
) -> None:
    """Look at this machine: hardware, what is installed, which presets may meet their budget here.

    Costs were measured on another machine and are scaled by a probe of a second: estimates.
    'duplex-lab run' and 'duplex-lab service' measure.
    """
    from bench.machine import core_speed as probe
    from bench.machine import costs
    from bench.machine.doctor import advice, examine
    from bench.machine.matrix import rows
    from bench.stats.format import Block, number

    found = examine(rows(), costs.load(), probe.measure())
    if as_json:
        whole = {**found.to_dict(), "own_runs": _own_runs(root, found.system)}
        print(json.dumps(whole, indent=1, ensure_ascii=False))
        return
    out, system = console(), found.system

    def line(what: str, text: str) -> None:
        out.say(f"{what + ':':<14}{text}", indent=" " * 14)

    line("CPU", f"{system['cpu'] or 'unknown'}, {system['cores_allowed'] or system['cores']} cores")
    line("features", ", ".join(found.features.items) or str(found.features.reason))
    line("memory", f"{system['memory_gb']} GB")
    names = [_gpu(gpu) for gpu in found.gpus.items]
    line("GPU", "; ".join(names) or str(found.gpus.reason))
    line("level", f"{found.level[0]} (GPU memory {found.level[1]})")
    line("audio", ", ".join(found.audio.items) or str(found.audio.reason))
    line("one core", f"{found.speed.compute:.0f} M sines/s, {found.speed.memory:.1f} GB/s (probe)")
    line("extras", ", ".join(n for n, there in found.extras.items() if there) or "none")
    line("environments", ", ".join(n for n, there in found.environments.items() if there) or "none")
    out.line()
    out.table(
        Block(
            "What presets may cost here: estimates from what was measured elsewhere",
            ("preset", "budget", "estimate ms", "budget ms", "from"),
            tuple(
                (one.preset, one.verdict, number(one.ms), number(one.budget_ms), one.why)
                for one in found.estimates.values()
            ),
            left=("budget", "from"),
        )
    )
    for source in dict.fromkeys(one.source for one in found.estimates.values() if one.source):
        out.say(f"measured by {source}")
    _say_own(_own_runs(root, system), out)
    out.say("The probe itself varies by some 20 % on a busy machine. 'duplex-lab run' measures.")
    out.line()
    out.line("To install, or to set")
    for text in advice(found):
        out.say(f"- {text}", indent="  ")


def _gpu(gpu: Gpu) -> str:
    if gpu.unified:
        return f"{gpu.name}, shares the machine's {gpu.memory_gb} GB of memory"
    return f"{gpu.name}, {gpu.memory_gb} GB of GPU memory"


def _own_runs(root: Path, system: dict[str, Any]) -> list[dict[str, Any]]:
    """The newest measurement of each preset among the runs that this machine keeps."""
    from bench.compare.comparable import Origin, machine_differences
    from bench.store.store import read_info
    from bench.view.library import Library

    here = Origin("this machine", {"machine": system}, 0)
    found: dict[str, dict[str, Any]] = {}
    for entry in Library(root).entries():
        if entry.state != "done":
            continue
        of = Origin(entry.name, read_info(root / entry.name), 0)
        if any(machine_differences(here, of)):
            continue
        for line in entry.presets:
            if line.p50_ms is not None:
                row = {"preset": line.preset, "p50_ms": line.p50_ms, "run": entry.name}
                found.setdefault(line.preset, row)
    return list(found.values())


def _say_own(rows: list[dict[str, Any]], out: Screen) -> None:
    from bench.stats.format import Block, number

    if not rows:
        out.say("No run of this machine is kept: duplex-lab run measures, and is then read here.")
        return
    out.line()
    out.table(
        Block(
            "What was measured on this machine: voice to voice in the newest run kept",
            ("preset", "p50 ms", "run"),
            tuple((row["preset"], number(row["p50_ms"]), row["run"]) for row in rows),
            left=("run",),
        )
    )
