"""``duplex-lab capacity``: how many calls at once an agent bears while every limit still holds."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible
from bench.report.text.listing import FORMAT_HELP, Format, print_lists
from bench.store.results import RESULTS, find_run, new_run_id

SLOS = ("voice_to_voice.p95<=800ms", "no_answer<=1%")
DUPLEX_SLOS = (*SLOS, "deadline_miss<=1%")
"""Limits of a preset whose model speaks in frames."""
MOST_SERVED, MOST_ELSEWHERE = 8.0, 64.0
"""Largest load, where none is given: of a preset, whose seats are loaded here; of an address."""
MOST_CALLS = 100_000
"""Most calls of a load that count."""


def capacity(
    agent: Annotated[
        str,
        typer.Option(
            help="Address of the agent, or a preset, which is then served on this machine.",
            metavar="URL|PRESET",
        ),
    ],
    line: Annotated[
        str, typer.Option(help="Protocol of the address; 'duplex-lab lines' explains them.")
    ] = "",
    slo: Annotated[
        list[str] | None,
        typer.Option(
            help="A limit that must hold by its 95 % bound; once for each "
            f"[default: {', '.join(SLOS)}; of a duplex preset deadline_miss<=1% too].",
            metavar="LIMIT",
        ),
    ] = None,
    fixtures: Annotated[
        str, typer.Option(help="What callers say: each of these as often as any other.")
    ] = "quick",
    start: Annotated[float, typer.Option(help="Load to begin with, in calls at once.", min=0.5)] = (
        2.0
    ),
    most: Annotated[
        float | None,
        typer.Option(
            help="Largest load to play "
            f"[default: {MOST_ELSEWHERE:g}; of a preset {MOST_SERVED:g}].",
            min=1,
            max=500,
        ),
    ] = None,
    calls: Annotated[
        int,
        typer.Option(
            help="Calls of a load that count; 0: as many as the limits need, and a quarter more.",
            min=0,
            max=MOST_CALLS,
        ),
    ] = 0,
    repeats: Annotated[
        int, typer.Option(help="Times that the load which is found has to hold.", min=1, max=10)
    ] = 2,
    seed: Annotated[str, typer.Option(help="The same seed gives the same calls.")] = "1",
    max_minutes: Annotated[
        float, typer.Option(help="Longest time for all loads together.", min=0.5, max=10_080)
    ] = 60.0,
    greeting_s: Annotated[
        float, typer.Option(help="Longest wait for an agent that speaks first, s.", min=0, max=60)
    ] = 0.0,
    header_from_env: Annotated[
        list[str] | None, typer.Option(help="HTTP header from an environment variable.")
    ] = None,
    allow_remote: Annotated[
        str,
        typer.Option(
            help="Name of the host, if the agent is not on this machine: a load test of others' "
            "servers without their leave is an attack.",
            metavar="HOST",
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default results/<time>-capacity-….")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the search in this folder; the other options as they were.",
            metavar="RUN",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its time.")
    ] = False,
) -> None:
    """Find the largest number of calls at once at which every limit holds.

    Calls come at random (Poisson) and wait for nobody. The load doubles until a limit is broken,
    then the distance is halved; a limit holds where its 95 % bound does, so a rate of at most 1 %
    needs 299 turns and a p95 59 calls. The callers' own limit is found first. Every load is kept
    as a preset NAME@LOAD of one run. Exit codes: 0 found; 1 no load held; 2 bad input.
    """
    from bench.capacity import agent as agents
    from bench.capacity.asked import Asked
    from bench.capacity.capacity import find_capacity
    from bench.capacity.slo import Slo
    from bench.fixtures.library import select
    from bench.report.capacity import listing, verdict
    from bench.report.plots.capacity import png_of
    from bench.store.atomic import atomic_write
    from pipelines.errors import LabError
    from pipelines.spec import load_spec

    if resume is not None and out is not None:
        raise LabError("--resume names the folder already: leave --out away.")
    limits: tuple[str, ...] = SLOS
    if agents.is_address(agent):
        agents.require_local(agent, allow_remote)
        largest = most or MOST_ELSEWHERE
        spec = agents.at_address(agent, line, header_from_env or [], greeting_s)
    else:
        if line:
            raise LabError(f"--line is for an address; {agent} is a preset, served by 'serve'.")
        if header_from_env:
            raise LabError(f"--header-from-env is for an address; {agent} is a preset.")
        largest = most or MOST_SERVED
        spec = agents.served(agent, largest, greeting_s)
        limits = DUPLEX_SLOS if load_spec(agent).kind == "duplex" else SLOS
    asked = Asked(
        spec,
        tuple(select(fixtures)),
        tuple(map(Slo.parse, slo or limits)),
        min(start, largest),
        largest,
        repeats,
        seed,
        max_minutes,
        calls,
    )
    if asked.counted > MOST_CALLS:
        raise LabError(
            f"--slo: these limits need {asked.needed} calls a load, and {MOST_CALLS} are the most; "
            "loosen the rate"
        )
    if asked.counted < asked.needed:
        raise LabError(f"--calls {calls}: the bounds of these limits need {asked.needed} calls.")
    begun = find_run(resume) if resume else None
    if begun is not None and not (begun / "run.json").is_file():
        raise LabError(f"{begun}: there is no search to go on with")
    _tell_plan(asked)
    if dry_run:
        return
    if agents.is_address(agent):
        agents.require_listener(agent)
    run_dir = begun or out or RESULTS / new_run_id([f"capacity-{spec.name}"])
    kept = find_capacity(
        asked,
        run_dir,
        lambda text: print(visible(text), file=sys.stderr, flush=True),
        resume=resume is not None,
    )
    atomic_write(run_dir / "capacity.png", png_of(kept))
    print_lists(form, listing(kept), notes=verdict(kept))
    console().say(
        f"{run_dir}: capacity.png is the curve; 'duplex-lab report {run_dir}' is the page"
    )
    if kept["most"] is None:
        raise typer.Exit(1)


def _tell_plan(asked: Any) -> None:
    """Prints what will be played, and how long that takes."""
    say = console().say
    seconds, mb = asked.planned
    say(
        f"{asked.counted} calls a load (the limits need {asked.needed}), {len(asked.fixtures)} "
        f"fixtures; about {math.ceil(seconds / 60)} min and {mb:.0f} MB in all if the answer lies "
        f"near {min(4 * asked.first, asked.limit):g} calls, {asked.most_minutes:g} min at most"
    )
