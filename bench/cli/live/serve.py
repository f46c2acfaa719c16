"""``duplex-lab serve``: presets as voice servers, behind the protocols that clients speak."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.live.options import given_values, takes_options
from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Format
from pipelines.server.config.config import ServerConfig, read_config, to_toml
from pipelines.server.config.tables import (
    AuthOptions,
    KeepOptions,
    SidecarOptions,
    TwilioOptions,
)


@takes_options
def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take options from this TOML file; what is given here goes before it.",
        ),
    ] = None,
    print_config: Annotated[
        bool,
        typer.Option("--print-config", help="Serve nothing: print the options as such a file."),
    ] = False,
    bench_wire: Annotated[
        bool,
        typer.Option(
            "--bench-wire",
            help="Serve nothing: measure what int16, JSON float32 and CBOR cost a conversation.",
        ),
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", help=f"Of --bench-wire: {FORMAT_HELP}")
    ] = Format.table,
    **given: Any,
) -> None:
    """Serve presets to voice clients, many conversations at a time (Ctrl-C or SIGTERM ends it).

    Models are loaded before the port opens. Beyond this machine a token is needed.
    """
    if bench_wire:
        from bench.cli.live.wire_costs import print_wire_costs

        print_wire_costs(form)
        return
    found = read_config(config, given_values(given))
    if print_config:
        typer.echo(to_toml(found), nl=False)
        return
    serve_config(found)


def serve_config(config: ServerConfig) -> None:
    """Serves until it is asked to end.

    Raises:
        LabError: an option is wrong, or a model can't be loaded.
    """
    from bench.cli.live import opening
    from bench.recorded.kept import RunLog
    from pipelines.server.app.run import check, serving
    from pipelines.server.session.log import NoLog

    verifier = opening.verifier_of(config.of(AuthOptions))
    address = opening.address_of(config)
    twilio_token = opening.variable(config.of(TwilioOptions).token_env, "--twilio-token-env")
    check(address, verifier)
    doors, beside = opening.doors_of(config), opening.beside_of(config.of(SidecarOptions))
    people = opening.people_of(config)
    opening.quiet_logs()
    service = opening.service_of(config)
    keep = config.of(KeepOptions).folder

    def listens(url: str) -> None:
        console().line(f"Serving {', '.join(service.names)} at {url}")
        for line in (*(f"{row.path}: {row.what}" for row in doors), *beside.told()):
            console().say(line)
        console().say("Ctrl-C ends it.")

    with RunLog(keep) if keep else contextlib.nullcontext() as log:
        service.log = log or NoLog()
        served = serving(service, address, verifier, doors, twilio_token, beside, people)
        asyncio.run(opening.until_asked(served, service.names, listens))
    if keep is not None:
        console().line(f"Run: {keep}   table: duplex-lab show {keep}")
