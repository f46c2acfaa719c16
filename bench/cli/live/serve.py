"""``duplex-lab serve``: presets as voice servers, behind the protocols that clients speak."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.report.text.listing import Column, Format, Listing, print_lists
from pipelines.errors import LabError

if TYPE_CHECKING:
    from pipelines.server.access.tokens import Verifier
    from pipelines.server.app.run import Address, Beside
    from pipelines.server.service.service import VoiceService


def serve(
    presets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PRESET",
            help="Presets (see 'presets list') or .toml files; the first is the default.",
            show_default="cascade-embedded",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")] = 8000,
    token_secret_env: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Ask for bearer tokens (JWT, HS256), signed by the secret in this environment "
            "variable.",
        ),
    ] = "",
    jwks: Annotated[
        Path | None,
        typer.Option(help="Ask for bearer tokens (JWT), signed by a key of this JWKS file."),
    ] = None,
    audience: Annotated[str, typer.Option(help="The aud of a token.")] = "duplex-lab",
    scope: Annotated[str, typer.Option(help="The scope that a token must have.")] = "voice",
    seats: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Conversations at a time with each preset that has models."
        ),
    ] = 2,
    connections: Annotated[
        int, typer.Option(min=1, max=10_000, help="Connections at a time.")
    ] = 200,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=1_440, help="Longest conversation, minutes.")
    ] = 30.0,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep every conversation in this run's folder, with its audio: 'show' and "
            "'report' open it. Nothing is kept otherwise.",
        ),
    ] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Serve programs of this machine too, step by step.")
    ] = False,
    sidecar_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the sidecar at 127.0.0.1; 0: a free one.")
    ] = 9090,
    sidecar_socket: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The same over this Unix socket, in CBOR."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="Another Host header, of a proxy before it."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", metavar="URL", help="A page elsewhere that may connect."),
    ] = None,
    public_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Address by which others reach the server, if not its own: a proxy's.",
        ),
    ] = "",
    twilio_token_env: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Environment variable with the auth token of a Twilio account: /twilio/voice "
            "answers its calls.",
        ),
    ] = "",
    certificate: Annotated[Path | None, typer.Option(help="TLS: PEM file of the chain.")] = None,
    key: Annotated[Path | None, typer.Option(help="TLS: PEM file of the key.")] = None,
    bench_wire: Annotated[
        bool,
        typer.Option(
            "--bench-wire",
            help="Serve nothing: measure what int16, JSON float32 and CBOR cost a conversation.",
        ),
    ] = False,
) -> None:
    """Serve presets to voice clients, many conversations at a time (Ctrl-C or SIGTERM ends it).

    Models are loaded before the port opens. Beyond this machine a token is needed.
    """
    if bench_wire:
        _bench_wire()
        return
    from bench.recorded.kept import RunLog
    from pipelines.server.app.run import Address, Beside, check
    from pipelines.server.session.log import NoLog

    verifier = _verifier(token_secret_env, jwks, audience, scope)
    address = Address(
        host,
        port,
        tuple(name or ()),
        tuple(origin or ()),
        public_url=public_url.rstrip("/"),
        certificate=certificate,
        key=key,
    )
    twilio_token = _variable(twilio_token_env, "--twilio-token-env")
    check(address, verifier)
    _quiet_logs()
    service = _service(presets or ["cascade-embedded"], seats, connections, minutes)
    beside = Beside(sidecar_port if sidecar else None, sidecar_socket)
    with RunLog(keep) if keep else contextlib.nullcontext() as log:
        service.log = log or NoLog()
        asyncio.run(_serve(service, address, verifier, twilio_token, beside))
    if keep is not None:
        console().line(f"Run: {keep}   table: duplex-lab show {keep}")


_COSTS = (
    Column("format", "format"),
    Column("bytes a frame", "bytes", is_figure=True),
    Column("CPU, % of a core", lambda row: f"{row['cpu_percent']:.3f}", is_figure=True),
    Column("added, ms: p50", lambda row: f"{row['p50_ms']:.3f}", is_figure=True),
    Column("p99", lambda row: f"{row['p99_ms']:.3f}", is_figure=True),
)


def _bench_wire() -> None:
    """Prints what each wire format costs one conversation."""
    from bench.probes.wire_cost import FRAMES, measure

    rows = tuple(asdict(cost) for cost in measure())
    notes = (
        f"one conversation, both ends: frames of 80 ms each way, written, sent over a socket of "
        f"this machine, and read; {FRAMES} frames a format. added: of one frame, one way.",
    )
    print_lists(Format.table, Listing("wires", _COSTS, rows), notes=notes)


def _quiet_logs() -> None:
    """Pipecat's log goes nowhere: at its default level it costs more than a conversation."""
    from loguru import logger

    logger.remove()


def _verifier(env: str, jwks: Path | None, audience: str, scope: str) -> Verifier | None:
    from pipelines.server.access.tokens import from_jwks, from_secret

    if env and jwks is not None:
        raise LabError("--token-secret-env and --jwks: give one of them.")
    if jwks is not None:
        return from_jwks(jwks, audience, scope)
    secret = _variable(env, "--token-secret-env")
    return from_secret(secret, audience, scope) if secret else None


def _variable(name: str, option: str) -> str:
    """The secret in an environment variable; empty: no variable is named."""
    secret = os.environ.get(name, "") if name else ""
    if name and not secret:
        raise LabError(f"{option} {name}: the variable is not set.")
    return secret


def _service(presets: list[str], seats: int, connections: int, minutes: float) -> VoiceService:
    from pipelines.server.service.service import Limits, VoiceService
    from pipelines.server.session.forms import STEP_MODELS, provide, spec_of

    steps = [name for name in presets if name in STEP_MODELS]
    specs = [spec_of(name) for name in presets if name not in STEP_MODELS]
    if len({spec.name for spec in specs}) < len(specs):
        raise LabError("serve: two presets have the same name.")
    for spec in specs:
        provide(spec, lambda text: typer.echo(text, err=True))
    return VoiceService(specs, Limits(seats, connections, minutes * 60), steps=steps)


async def _serve(
    service: VoiceService,
    address: Address,
    verifier: Verifier | None,
    twilio_token: str,
    beside: Beside,
) -> None:
    from pipelines.server.app.app import open_doors
    from pipelines.server.app.run import serving, until_asked_to_end

    console().say(f"Loading {', '.join(service.names)} …")
    async with serving(service, address, verifier, twilio_token=twilio_token, beside=beside) as url:

        def listens() -> None:
            console().line(f"Serving {', '.join(service.names)} at {url}")
            for row in open_doors():
                console().say(f"{row.path}: {row.what}")
            for line in beside.told():
                console().say(line)
            console().say("Ctrl-C ends it.")

        await until_asked_to_end(listens)
        console().say("Ending: open conversations may finish their sentence.")
