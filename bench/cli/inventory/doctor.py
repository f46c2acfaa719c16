"""``duplex-lab doctor``: the machine's hardware, what it can run, and what is missing."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.console import console
from bench.report.text.listing import Column, Format, Listing, print_lists
from bench.stats.format import number
from bench.store.results import RESULTS

if TYPE_CHECKING:
    from bench.machine.costs import Own
    from bench.machine.doctor import Examination
    from bench.machine.hardware import Gpu


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="The same as --format json: all of it.")
    ] = False,
    root: Annotated[
        Path, typer.Option("--root", help="The folder that holds this machine's runs.")
    ] = RESULTS,
    form: Annotated[
        Format, typer.Option("--format", help="csv and md: what presets cost here; json: all.")
    ] = Format.table,
) -> None:
    """Look at this machine: hardware, what is installed, which presets may meet their budget here.

    What a kept run of this machine measured is shown as it is. The rest are estimates: costs from
    another machine, scaled by a probe of a second.
    """
    from bench.machine import core_speed as probe
    from bench.machine import costs
    from bench.machine.description import describe
    from bench.machine.doctor import examine
    from bench.machine.matrix import rows

    own = _own_runs(root, describe())
    found = examine(rows(), costs.load(), probe.measure(), own)
    if as_json or form is Format.json:
        whole = {**found.to_dict(), "own_runs": [asdict(one) for one in own]}
        print(json.dumps(whole, indent=1, ensure_ascii=False))
    elif form is Format.table:
        _print(found)
    else:
        print_lists(form, _costs(found))


BY = {True: "measured", False: "estimate"}
"""Whether a run on this machine measured a cost → the word for that."""
COLUMNS = (
    Column("preset", "preset"),
    Column("budget", "verdict"),
    Column("ms", lambda row: number(row["ms"]), is_figure=True),
    Column("budget ms", lambda row: number(row["budget_ms"]), is_figure=True),
    Column("by", lambda row: BY[row["is_own"]] if row["ms"] is not None else ""),
    Column("from", "why"),
)


def _costs(found: Examination) -> Listing:
    rows = tuple(asdict(one) for one in found.estimates.values())
    return Listing("costs", COLUMNS, rows, "What presets cost here (ms)", ("from", "budget ms"))


def _print(found: Examination) -> None:
    from bench.machine.doctor import advice

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
    out.table(_costs(found).block())
    for source in dict.fromkeys(one.source for one in found.estimates.values() if one.source):
        out.say(f"Estimates scale what was measured by {source}")
    if not any(one.is_own for one in found.estimates.values()):
        out.say("No run of this machine is kept: duplex-lab run measures, and is then read here.")
    if not all(one.is_own for one in found.estimates.values()):
        out.say("The probe varies by some 20 % on a busy machine; 'duplex-lab run' measures.")
    out.line()
    out.line("To install, or to set")
    for text in advice(found):
        out.say(f"- {text}", indent="  ")


def _gpu(gpu: Gpu) -> str:
    if gpu.unified:
        return f"{gpu.name}, shares the machine's {gpu.memory_gb} GB of memory"
    return f"{gpu.name}, {gpu.memory_gb} GB of GPU memory"


def _own_runs(root: Path, system: dict[str, Any]) -> list[Own]:
    """The newest measurement of each preset among the runs that this machine keeps."""
    from bench.compare.comparable import Origin, machine_differences
    from bench.machine.costs import Own
    from bench.store.store import read_info
    from bench.view.library import Library

    here = Origin("this machine", {"machine": system}, 0)
    found: dict[str, Own] = {}
    for entry in Library(root).entries():
        if entry.state != "done":
            continue
        of = Origin(entry.name, read_info(root / entry.name), 0)
        if any(machine_differences(here, of)):
            continue
        frames = _frame_times(root / entry.name)
        for line in entry.presets:
            frame_ms, quantile = frames.get(line.preset, (None, ""))
            if line.p50_ms is not None or frame_ms is not None:
                own = Own(line.preset, entry.name, line.p50_ms, frame_ms, quantile)
                found.setdefault(line.preset, own)
    return list(found.values())


def _frame_times(run: Path) -> dict[str, tuple[float, str]]:
    """Preset → the median over its trials of a frame's time, ms, and which quantile that is.

    It is the p99 where n bounds it, else the p50; of a warm-up only where no other trial was long
    enough.
    """
    from bench.stats.quantiles import quantile
    from bench.store.figures import read_figures

    found: dict[str, tuple[float, str]] = {}
    for warmup in (True, False):
        for name in ("p50", "p99"):
            figures, of = read_figures(run, f"service_{name}"), defaultdict[str, list[float]](list)
            for i, value in enumerate(figures.value):
                if value is not None and figures.valid[i] and figures.warmup[i] == warmup:
                    of[figures.preset[i]].append(value)
            for preset, values in of.items():
                found[preset] = (float(quantile(values, 0.5).value or 0.0), name)
    return found
