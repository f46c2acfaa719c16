"""From the options of a server to its parts: the service, its address, who may come in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import typer

from bench.report.text.console import console
from pipelines.errors import LabError
from pipelines.server.config.config import ServerConfig
from pipelines.server.config.tables import (
    AuthOptions,
    FaceOptions,
    LimitOptions,
    ListenOptions,
    ServeOptions,
    SidecarOptions,
    TlsOptions,
)
from pipelines.server.memory.options import MemoryOptions
from pipelines.server.runtime.options import PolicyOptions, WarmthOptions
from pipelines.server.skills.options import SkillOptions
from pipelines.spec import did_you_mean

if TYPE_CHECKING:
    import ssl

    from pipelines.server.access.tokens import Verifier
    from pipelines.server.app.address import Address
    from pipelines.server.app.run import Beside
    from pipelines.server.doors.door import DoorRow, People
    from pipelines.server.memory.memories import Memories
    from pipelines.server.service.service import VoiceService
    from pipelines.server.service.warm import Warmth


def service_of(config: ServerConfig) -> VoiceService:
    """The presets that are served.

    Raises:
        LabError: one is unknown, can't be served, or needs what can't be had.
    """
    from pipelines.server.runtime.opening import runtime_of, watched
    from pipelines.server.service.service import Limits, VoiceService
    from pipelines.server.session.forms import STEP_MODELS, provide, spec_of
    from pipelines.watch.reasoner import provide_planner

    presets, limits = config.of(ServeOptions).presets, config.of(LimitOptions)
    steps = [name for name in presets if name in STEP_MODELS]
    specs = [spec_of(name) for name in presets if name not in STEP_MODELS]
    if not presets:
        raise LabError("serve: [serve] presets names nothing: name one, or leave the key out.")
    if len({*steps, *(spec.name for spec in specs)}) < len(presets):
        raise LabError("serve: two presets have the same name.")
    skills = config.of(SkillOptions)
    policy = config.of(PolicyOptions)
    runtime = runtime_of(specs, skills, policy, config.of(WarmthOptions), _level())
    for spec in (*specs, *runtime.spare):
        provide(spec, _echo)
    if skills.enabled and skills.planner:
        provide_planner(skills.planner, _echo)
    specs = [watched(spec, skills) for spec in specs]
    bears = Limits(limits.seats, limits.connections, limits.minutes * 60, limits.conversations)
    memory = memory_of(config)
    return VoiceService(
        specs, bears, steps=steps, memory=memory, runtime=runtime, warmth=warmth_of(config)
    )


def warmth_of(config: ServerConfig) -> Warmth:
    """How many seats of each preset are warm, and for how long."""
    from pipelines.server.service.warm import Warmth

    options, seats = config.of(WarmthOptions), config.of(LimitOptions).seats
    return Warmth(
        most=seats,
        least=min(options.seats, seats) or seats,
        ahead_s=options.ahead_s,
        idle_s=options.idle_s,
        keep_alive_s=options.keep_alive_s,
    )


def memory_of(config: ServerConfig) -> Memories | None:
    """What users said in earlier conversations; None: nothing is remembered.

    Raises:
        LabError: an option is wrong.
    """
    options, auth = config.of(MemoryOptions), config.of(AuthOptions)
    if options.folder is None:
        if options.local_user:
            raise LabError("--memory-local-user: nothing is remembered without --memory FOLDER.")
        return None
    from pipelines.server.memory.memories import Memories

    if options.local_user and (auth.token_secret_env or auth.jwks):
        raise LabError(
            "--memory-local-user: a server that asks for tokens knows its users by them; leave it "
            "out."
        )
    return Memories(options)


def doors_of(config: ServerConfig) -> list[DoorRow]:
    """The doors that are open.

    Raises:
        LabError: one is unknown, or its packages are not installed.
    """
    from pipelines.server.app.app import open_doors
    from pipelines.server.doors import table

    wanted = config.of(ServeOptions).doors
    if not wanted:
        return open_doors()
    known = table.rows()
    for name in wanted:
        if name not in known:
            raise LabError(
                f"--door {name}: there is no such door{did_you_mean(name, known)}; known: "
                f"{', '.join(known)}."
            )
        if lacks := table.lacks(known[name]):
            raise LabError(f"--door {name}: needs the package {lacks[0]!r}.")
    return [row for name, row in known.items() if name in wanted]


def address_of(config: ServerConfig) -> Address:
    """Where the server listens.

    Raises:
        LabError: its certificate can't be used.
    """
    from pipelines.server.app.address import Address

    listen = config.of(ListenOptions)
    plain = Address(
        listen.host,
        listen.port,
        hosts=listen.names,
        origins=listen.origins,
        public_url=listen.public_url.rstrip("/"),
    )
    return plain.secured(_certificate(config.of(TlsOptions), plain))


def _certificate(options: TlsOptions, address: Address) -> ssl.SSLContext | None:
    from pipelines.server.access.tls import from_files, self_made

    if options.cert is not None and options.key is not None:
        return from_files(options.cert, options.key)
    return self_made(address.numbers) if options.self_made else None


def verifier_of(options: AuthOptions) -> Verifier | None:
    """Checks tokens; None: nobody is asked for one.

    Raises:
        LabError: the secret or the keys are not right.
    """
    from pipelines.server.access.tokens import from_jwks, from_secret

    if options.jwks is not None:
        return from_jwks(options.jwks, options.audience, options.scope)
    secret = variable(options.token_secret_env, "--token-secret-env")
    return from_secret(secret, options.audience, options.scope) if secret else None


def variable(name: str, option: str) -> str:
    """The secret in an environment variable; empty: no variable is named.

    Raises:
        LabError: the variable is not set.
    """
    secret = os.environ.get(name, "") if name else ""
    if name and not secret:
        raise LabError(f"{option} {name}: the variable is not set.")
    return secret


def beside_of(options: SidecarOptions) -> Beside:
    """The sidecar, if it is wanted."""
    from pipelines.server.app.run import Beside

    return Beside(options.port if options.enabled else None, options.socket)


def people_of(config: ServerConfig) -> People:
    """Of the pages for people, their table of states being read once.

    Raises:
        LabError: the table is wrong.
    """
    from pipelines.face.states import read_policy
    from pipelines.server.doors.door import People

    face = config.of(FaceOptions)
    if face.states is not None:
        read_policy(face.states)
    return People(face)


def quiet_logs() -> None:
    """Pipecat's log goes nowhere: at its default level it costs more than a conversation."""
    from loguru import logger

    logger.remove()


def _level() -> int:
    """This machine's level."""
    import psutil

    from bench.machine import hardware

    memory_gb = psutil.virtual_memory().total / 2**30
    return hardware.level(hardware.gpus(memory_gb).items)[0]


def _echo(words: str) -> None:
    typer.echo(words, err=True)


async def until_asked(
    served: AbstractAsyncContextManager[str], names: Sequence[str], listens: Callable[[str], None]
) -> None:
    """Serves until the process is asked to end.

    Args:
        served: From `pipelines.server.app.run.serving`.
        names: What is served.
        listens: Takes the address, once clients can come.
    """
    from pipelines.server.app.run import until_asked_to_end

    console().say(f"Loading {', '.join(names)} …")
    async with served as url:
        await until_asked_to_end(lambda: listens(url))
        console().say("Ending: open conversations may finish their sentence.")
