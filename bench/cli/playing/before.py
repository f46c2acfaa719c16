"""What a run says before it plays: how long it will take, and what would stop it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible

if TYPE_CHECKING:
    from bench.runner.plan import Plan


def describe(plan: Plan, max_audio_min: float) -> None:
    """Prints a plan: its trials, its length, and the quantiles that they bound."""
    from bench.stats.format import duration

    say = console().say
    n = plan.turns_per_preset
    say(f"presets:   {', '.join(spec.name for spec in plan.specs)}")
    say(f"fixtures:  {len(plan.fixtures)}, each {plan.repeats} times")
    say(f"trials:    {len(plan.trials)}, and {len(plan.warmups())} warm-ups")
    say(f"audio:     {duration(plan.audio_s)} of the user's speech")
    over = " (--max-audio-minutes stops it before)" if max_audio_min else ""
    over = over if plan.exchanged_s > 60 * max_audio_min else ""
    say(f"exchanged: about {duration(plan.exchanged_s)} of audio with the agents, both ways{over}")
    say(f"duration:  about {duration(plan.seconds())}")
    say(f"turns:     n = {n} per preset, if all are valid (repeats of a turn are not counted)")
    if plan.conversations_per_preset < n:
        say(f"           in {plan.conversations_per_preset} conversations")
    for p, (have, need) in plan.bounds().items():
        word = "can be bounded" if have >= need else f"insufficient n ({have}, {need})"
        say(f"  p{100 * p:g}:     {word}")


def rehearse(plan: Plan, run_dir: Path, resume: bool) -> None:
    """Says of each preset what it loads, and ends with 2 if anything would stop the run."""
    from bench.runner.progress import progress
    from bench.runner.rehearse import rehearse as rehearsed

    with progress() as watch:
        found = list(rehearsed(plan, run_dir, resume, watch))
    for one in found:
        head = f"{one.preset}: " if one.preset else ""
        if one.loaded_s is not None:
            typer.echo(f"{head}loads, in {one.loaded_s:.1f} s")
        if one.builds and not one.stops:
            typer.echo(f"{head}not tried: the run first builds {', '.join(one.builds)}")
        for why in one.stops:
            said = why if one.preset and one.preset in why else f"{head}{why}"
            typer.echo(f"duplex-lab: {visible(said)}", err=True)
    if any(one.stops for one in found):
        raise typer.Exit(2)
