"""Runs a user's Pipecat bot, unchanged, with our caller at the other end.

Pipecat's runner calls ``bot(runner_args)`` once per conversation, and the bot asks
``create_transport(runner_args, transport_params)`` for its transport. This module makes that one
function return our link, in this process only; observers come by Pipecat's own setup hooks
(``PIPECAT_SETUP_FILES``). Nothing else of Pipecat is changed, and nothing of the bot.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipecat.runner.types import SmallWebRTCRunnerArguments

from pipelines.bot.errors_logged import ErrorsLogged, errors_logged
from pipelines.bot.load import Bot, kind_and_text, line_of, load_bot
from pipelines.bot.mend import mend_of
from pipelines.bot.options import BotOptions
from pipelines.bot.seat import Seat, current, taken
from pipelines.errors import LabError
from pipelines.host import Host, LeftEarly
from pipelines.process.pool import ModelPool
from pipelines.spec import PipelineSpec

CONNECT_S = 25.0
"""Longest time for a bot to start its pipeline, s; the caller waits for 30 s."""
LEAVE_S = 5.0
"""Longest time for a bot to end after its client has gone, s."""
PARTICIPANTS = frozenset({"daily", "livekit", "vonage"})
"""Transports that report participants beside clients."""
HOOKS = str(Path(__file__).with_name("hooks.py"))

USED_UP = (
    "An earlier conversation of this process went well: is something used up that the file makes "
    "when it is imported (a service, a context, a transport)? Make it in bot()."
)
"""What is asked where a later conversation fails: a file is imported once, as Pipecat's runner does
it."""

_one_went_well = False
"""Whether this process has had a conversation without a fault."""


async def prepare(spec: PipelineSpec, models: ModelPool) -> None:
    """Imports the bot's file: what it loads at import is loaded before the first trial.

    Raises:
        BotError: it can't be imported.
    """
    give_links()
    load_bot(spec.stages["bot"].path)


async def converse(host: Host) -> str | None:
    """One conversation; returns what went wrong, or None.

    Raises:
        BotError: the bot's file can't be imported.
    """
    assert host.open_transport is not None and host.watch is not None
    give_links()
    options: BotOptions = host.options("bot")
    bot = load_bot(options.path)
    seat = Seat(
        options.path.name,
        options.transport,
        host.open_transport,
        host.watch,
        host.spec.audio.in_rate_hz,
        host.closed.set,
    )
    global _one_went_well
    with taken(seat), errors_logged(lambda: current() is seat) as logged:
        fault = await _play(bot, seat, options.path, host.closed, logged)
    if fault is None:
        _one_went_well = True
    elif _one_went_well:
        fault += f" {USED_UP}"
    return fault


def give_links() -> None:
    """Makes ``create_transport`` return our link to the bot of the current seat.

    Called before the bot's file is imported, which takes the function by its name.
    """
    from pipecat.runner import utils

    files = os.environ.get("PIPECAT_SETUP_FILES", "")
    if HOOKS not in files.split(os.pathsep):
        os.environ["PIPECAT_SETUP_FILES"] = os.pathsep.join(filter(None, (files, HOOKS)))
    pipecats = utils.create_transport
    if getattr(pipecats, "gives_links", False):
        return

    async def create_transport(
        runner_args: Any, transport_params: Mapping[str, Callable[[], Any]]
    ) -> Any:
        seat = current()
        if seat is None:
            return await pipecats(runner_args, dict(transport_params))
        return seat.give(transport_params)

    create_transport.gives_links = True  # type: ignore[attr-defined]
    utils.create_transport = create_transport


async def _play(
    bot: Bot, seat: Seat, path: Path, closed: asyncio.Event, logged: ErrorsLogged
) -> str | None:
    """Runs the bot until the caller hangs up, or it fails."""
    # The kind that most bots check for, if any: a browser's.
    args = SmallWebRTCRunnerArguments(webrtc_connection=None)
    args.pipeline_idle_timeout_secs = None
    running = asyncio.ensure_future(bot(args))
    hung_up = asyncio.create_task(closed.wait())
    fault = await _connect(running, hung_up, seat)
    if fault is None and seat.transport is not None and not running.done():
        await seat.transport.client_came(participant=seat.key in PARTICIPANTS)
        await asyncio.wait({running, hung_up}, return_when=asyncio.FIRST_COMPLETED)
    by_caller = closed.is_set()
    hung_up.cancel()
    ended_early = running.done() and not by_caller
    await _leave(running, seat)
    return fault or seat.fault or _told(running, seat, path, ended_early, logged)


async def _connect(
    running: asyncio.Future[Any], hung_up: asyncio.Task[Any], seat: Seat
) -> str | None:
    """Waits until the bot's pipeline has opened our transport; a sentence if it never does."""
    opened = asyncio.create_task(_opened(seat))
    await asyncio.wait(
        {running, hung_up, opened}, timeout=CONNECT_S, return_when=asyncio.FIRST_COMPLETED
    )
    done, late = opened.done(), not (running.done() or hung_up.done())
    opened.cancel()
    if done or not late:
        return None
    if seat.transport is None:
        return (
            f"{seat.bot} asked for no transport within {CONNECT_S:.0f} s: it must take the one of "
            "create_transport(runner_args, transport_params)."
        )
    what = "started no pipeline" if not seat.workers else "did not open its transport"
    return f"{seat.bot} {what} within {CONNECT_S:.0f} s."


async def _opened(seat: Seat) -> None:
    await seat.given.wait()
    await seat.transport.opened.wait()


async def _leave(running: asyncio.Future[Any], seat: Seat) -> None:
    """Reports to the bot that its client has gone, then ends what does not end by itself."""
    if not running.done() and seat.transport is not None:
        await seat.transport.client_gone(participant=seat.key in PARTICIPANTS)
        await asyncio.wait({running}, timeout=LEAVE_S)
    if not running.done():
        for one in [*seat.runners, *seat.workers]:
            with contextlib.suppress(Exception):
                await one.cancel()
        await asyncio.wait({running}, timeout=LEAVE_S)
    if not running.done():
        running.cancel()
        await asyncio.wait({running}, timeout=LEAVE_S)


def _told(
    running: asyncio.Future[Any], seat: Seat, path: Path, ended_early: bool, logged: ErrorsLogged
) -> str | None:
    """The problem that the bot's own end shows; None if all is well."""
    if running.done() and not running.cancelled():
        error = running.exception()
        if isinstance(error, LabError):
            return str(error)
        if error is not None:
            early = "" if seat.transport else ", before it asked create_transport for its transport"
            where = f"{seat.bot}{line_of(error, path)}"
            if mend := mend_of(error, logged.texts):
                return f"{where} {mend}."
            return f"{where}: bot() raised {kind_and_text(error)}{early}."
    if not ended_early:
        return None
    said = f" Pipecat's last error: {logged.last.rstrip('.')}." if logged.last else ""
    if seat.transport is None:
        return (
            f"{seat.bot}: bot() returned without a transport: it must take the one of "
            "create_transport(runner_args, transport_params)."
        )
    if not seat.workers:
        return f"{seat.bot}: bot() returned without running a pipeline.{said}"
    return LeftEarly(f"{seat.bot}: bot() returned before the caller had hung up.{said}")
