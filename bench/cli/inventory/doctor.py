"""``duplex-lab doctor``: the machine's hardware, what it can run, and what is missing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bench.report.text.console import console


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
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
        print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
        return
    out, system = console(), found.system

    def line(what: str, text: str) -> None:
        out.say(f"{what + ':':<14}{text}", indent=" " * 14)

    line("CPU", f"{system['cpu'] or 'unknown'}, {system['cores_allowed'] or system['cores']} cores")
    line("features", ", ".join(found.features.items) or str(found.features.reason))
    line("memory", f"{system['memory_gb']} GB")
    names = [f"{gpu.name}, {gpu.memory_gb} GB" for gpu in found.gpus.items]
    line("GPU", "; ".join(names) or str(found.gpus.reason))
    line("level", f"{found.level[0]} ({found.level[1]})")
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
    out.say("The probe itself varies by some 20 % on a busy machine. 'duplex-lab run' measures.")
    out.line()
    out.line("To install, or to set")
    for text in advice(found):
        out.say(f"- {text}", indent="  ")
