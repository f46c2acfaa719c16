"""The agent whose capacity is looked for: an address of this machine, or a preset served here.

A preset gets one seat a call, with models of its own, and some more than the load on average: calls
come at random, and one that finds no seat is refused.
"""

from __future__ import annotations

import ipaddress
import math
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from bench.agent.remote import RemoteAgent
from bench.caller.connection import address_of
from bench.capacity.resources import Watched, listens_at
from bench.lines.line import LineError
from bench.lines.table import row_of
from pipelines.errors import LabError
from pipelines.remote.options import RemoteOptions
from pipelines.remote.preset import remote_specs
from pipelines.spec import PipelineSpec, load_spec

MOST_SEATS = 64
"""Seats that ``duplex-lab serve`` can have."""
REACH_S = 5.0
"""Longest wait for an agent that runs already to take a connection, s."""
START_TIMEOUT_S = 600.0
"""Longest time for a server to load the models of all its seats, s."""


def is_address(agent: str) -> bool:
    """Whether an agent is given by its address, and not as a preset."""
    return "://" in agent


def at_address(url: str, line: str, headers: Sequence[str], greeting_s: float) -> PipelineSpec:
    """The preset of an agent that runs already.

    Args:
        url: Its address.
        line: Protocol that it speaks.
        headers: ``Header=VARIABLE``.
        greeting_s: Longest wait for it to speak first, s.

    Raises:
        LabError: the address, its line or a header can't be understood.
    """
    (spec,) = remote_specs([url], [line] if line else [], headers)
    try:
        address_of(url)
        row_of(line)
    except LineError as error:
        raise LabError(f"--agent: {error}") from None
    return _with(spec, replace(spec.stages["agent"], greeting_s=greeting_s))


def require_listener(url: str) -> None:
    """Refuses an address at which nobody listens, before the callers' own limit is looked for.

    Raises:
        LabError: nobody does.
    """
    host, port, _ = address_of(url)
    try:
        socket.create_connection((host, port), REACH_S).close()
    except OSError as error:
        raise LabError(
            f"--agent {url}: no agent answers there: {error.strerror or error}. Does it run?"
        ) from None


def served(preset: str, most: float, greeting_s: float) -> PipelineSpec:
    """The preset of an agent that ``duplex-lab serve`` is started for, at a free port.

    Its weights are the preset's own, so that what synthetic ones can't say is refused here too.

    Args:
        preset: Name or file.
        most: The largest load.
        greeting_s: Longest wait for it to speak first, s.

    Raises:
        LabError: there is no such preset, or so many calls can't be served.
    """
    own, port = load_spec(preset), _free_port()
    url = f"ws://127.0.0.1:{port}/v1/stream"
    (spec,) = remote_specs([url], ["stream"], [])
    command = [sys.executable, "-m", "bench.cli.main", "serve", preset, "--door", "stream"]
    command += ["--port", str(port), "--seats", str(seats_for(most))]
    options = replace(
        spec.stages["agent"],
        start=shlex.join(command),
        start_timeout_s=START_TIMEOUT_S,
        greeting_s=greeting_s,
    )
    title = f"{own.name}, served by /v1/stream"
    return _with(replace(spec, name=own.name, title=title, weights=own.weights), options)


def seats_for(most: float) -> int:
    """Seats that a load needs: three standard deviations above its mean.

    Raises:
        LabError: these are more than a server can have.
    """
    seats = math.ceil(most + 3 * math.sqrt(most))
    if seats > MOST_SEATS:
        largest = next(n for n in range(MOST_SEATS, 0, -1) if n + 3 * math.sqrt(n) <= MOST_SEATS)
        raise LabError(
            f"--most {most:g}: that load needs {seats} seats, and serve has {MOST_SEATS} at most; "
            f"--most {largest} is the largest for a preset"
        )
    return seats


def require_local(url: str, allowed: str) -> None:
    """Refuses another's machine unless it is named.

    Raises:
        LabError: it is not this machine, and not named.
    """
    host = urlsplit(url).hostname or ""
    if not is_local(host) and host != allowed:
        raise LabError(
            f"--agent {url}: {host!r} is not this machine; if its owner agrees to a load test, "
            f"add --allow-remote {host}"
        )


def is_local(host: str) -> bool:
    """Whether a host is this machine, without asking anybody for its address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def watched(spec: PipelineSpec, agent: RemoteAgent, callers_pid: int) -> Watched:
    """What is to be looked at while an agent is under load.

    Args:
        spec: Its preset.
        agent: Its handle.
        callers_pid: The callers' process.
    """
    options: RemoteOptions = spec.stages["agent"]
    host, port, _ = address_of(options.url)
    pid = agent.pid or (listens_at(port) if is_local(host) else 0)
    return Watched(pid, callers_pid, (host, port) if agent.pid else None)


def _with(spec: PipelineSpec, options: RemoteOptions) -> PipelineSpec:
    return replace(spec, stages={**spec.stages, "agent": options})


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
