"""The tables of the server's options: `TABLES` lists them all, those of other rooms by their path.

A room with options of its own ends this list by a row: the table's name in the TOML file, and where
its dataclass lies. Nothing else names it: help, file and docs are made of the rows.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pipelines.guards.ranges import Range
from pipelines.registry import load_object
from pipelines.server.config.option import Help, Option, options_of

Port = Annotated[int, Range(0, 65_535)]


def _check_address(flag: str, given: str, *, with_path: bool) -> None:
    """Refuses what is no address of http or https.

    Raises:
        ValueError: one sentence.
    """
    try:
        parts = urlsplit(given)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1)
    except ValueError:  # a port that is no number
        is_one = False
    path = parts.path.rstrip("/") if is_one else ""
    if not is_one or parts.query or parts.fragment or parts.username or (path and not with_path):
        raise ValueError(f"{flag} {given!r}: an address is needed, as in https://voice.example.org")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What is served, behind which protocols."""

    presets: Annotated[
        tuple[str, ...],
        Help("Presets (see 'presets list') or .toml files; the first is the default.", "PRESET"),
    ] = ("cascade-embedded",)
    doors: Annotated[
        tuple[str, ...],
        Help(
            "Open this door only (repeat it for several); without it all are open: docs/server.md.",
            "--door",
            "NAME",
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Where the server listens, and what it may be called."""

    host: Annotated[str, Help("Address to listen at.", "--host")] = "127.0.0.1"
    port: Annotated[Port, Help("Port; 0: a free one.", "--port")] = 8000
    names: Annotated[
        tuple[str, ...], Help("Another Host header, of a proxy before it.", "--name", "HOST")
    ] = ()
    origins: Annotated[
        tuple[str, ...], Help("A page elsewhere that may connect.", "--origin", "URL")
    ] = ()
    public_url: Annotated[
        str,
        Help(
            "Address by which others reach the server, if not its own: a proxy's.",
            "--public-url",
            "URL",
        ),
    ] = ""

    def __post_init__(self) -> None:
        for name in self.names:
            if urlsplit(f"//{name}").netloc != name or "@" in name or " " in name:
                raise ValueError(f"--name {name!r}: a host is needed, as in voice.example.org")
        for origin in self.origins:
            _check_address("--origin", origin, with_path=False)
        if self.public_url:
            _check_address("--public-url", self.public_url, with_path=True)


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """TLS: https and wss at every door."""

    cert: Annotated[Path | None, Help("PEM file of the certificate's chain.")] = None
    key: Annotated[Path | None, Help("PEM file of its key.")] = None
    self_made: Annotated[
        bool, Help("Make a certificate for this start: browsers warn once.", "--https")
    ] = False

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("--tls-cert and --tls-key: give both, or none")
        if self.cert is not None and self.self_made:
            raise ValueError("--https makes a certificate: leave --tls-cert and --tls-key out")


@dataclass(frozen=True, slots=True)
class AuthOptions:
    """Who may come in; beyond this machine a token is needed."""

    token_secret_env: Annotated[
        str,
        Help(
            "Ask for bearer tokens (JWT, HS256), signed by the secret in this environment "
            "variable.",
            "--token-secret-env",
            "NAME",
        ),
    ] = ""
    jwks: Annotated[
        Path | None,
        Help("Ask for bearer tokens (JWT), signed by a key of this JWKS file.", "--jwks"),
    ] = None
    audience: Annotated[str, Help("The aud of a token.", "--audience")] = "duplex-lab"
    scope: Annotated[str, Help("The scope that a token must have.", "--scope")] = "voice"

    def __post_init__(self) -> None:
        if self.token_secret_env and self.jwks is not None:
            raise ValueError("--token-secret-env and --jwks: give one of them")


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What the server bears."""

    seats: Annotated[
        int,
        Range(1, 64, "conversations"),
        Help("Conversations at a time with each preset that has models.", "--seats"),
    ] = 2
    connections: Annotated[
        int, Range(1, 10_000, "connections"), Help("Connections at a time.", "--connections")
    ] = 200
    conversations: Annotated[
        int,
        Range(0, 10_000, "conversations"),
        Help("Conversations at a time, of all presets; 0: as many as there are seats."),
    ] = 0
    minutes: Annotated[
        float, Range(0.1, 1_440, "minutes"), Help("Longest conversation, minutes.", "--minutes")
    ] = 30.0


@dataclass(frozen=True, slots=True)
class KeepOptions:
    """What is kept of conversations; nothing, unless it is asked for."""

    folder: Annotated[
        Path | None,
        Help(
            "Keep every conversation in this run's folder, with its audio: 'show' and 'report' "
            "open it. Nothing is kept otherwise.",
            "--keep",
            "FOLDER",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """The face of the page /face."""

    version: Annotated[
        int, Range(1, 2), Help("Version of its messages: 1 presets, 2 plane and visemes.")
    ] = 2
    states: Annotated[
        Path | None, Help("Your own table of states, as pipelines/face/states.toml.")
    ] = None


@dataclass(frozen=True, slots=True)
class SidecarOptions:
    """A door for programs of this machine, step by step."""

    enabled: Annotated[
        bool, Help("Serve programs of this machine too, step by step.", "--sidecar")
    ] = False
    port: Annotated[Port, Help("Port of the sidecar at 127.0.0.1; 0: a free one.")] = 9090
    socket: Annotated[
        Path | None, Help("The same over this Unix socket, in CBOR.", metavar="PATH")
    ] = None


@dataclass(frozen=True, slots=True)
class TwilioOptions:
    """Telephone calls."""

    token_env: Annotated[
        str,
        Help(
            "Environment variable with the auth token of a Twilio account: /twilio/voice answers "
            "its calls.",
            metavar="NAME",
        ),
    ] = ""


HERE = "pipelines.server.config.tables"
TABLES: dict[str, str] = {
    "serve": f"{HERE}:ServeOptions",
    "listen": f"{HERE}:ListenOptions",
    "tls": f"{HERE}:TlsOptions",
    "auth": f"{HERE}:AuthOptions",
    "limits": f"{HERE}:LimitOptions",
    "keep": f"{HERE}:KeepOptions",
    "face": f"{HERE}:FaceOptions",
    "sidecar": f"{HERE}:SidecarOptions",
    "twilio": f"{HERE}:TwilioOptions",
    "skills": "pipelines.server.skills.options:SkillOptions",
    "policy": "pipelines.server.runtime.options:PolicyOptions",
    "warmth": "pipelines.server.runtime.options:WarmthOptions",
    "memory": "pipelines.server.memory.options:MemoryOptions",
}
"""Table of the TOML file → ``module:class`` of its options."""


@functools.cache
def classes() -> dict[str, Any]:
    """Table → its dataclass."""
    return {name: load_object(path) for name, path in TABLES.items()}


@functools.cache
def all_options() -> tuple[Option, ...]:
    """Every option of the server, table by table."""
    return tuple(one for name, cls in classes().items() for one in options_of(name, cls))
