"""A protocol map: a TOML file that says which JSON message of a home-made server carries what.

::

    hello = [{type = "start", rate = 16000}]   # messages that the caller sends first
    turn_over = [{type = "end_of_speech"}]     # … when the user has spoken; default: none
    [audio]                                    # the user's audio; leave it out for binary messages
    message = {type = "audio"}
    data = "payload"                           # path at which the base64 text is put

    [[receive]]
    when = {type = "audio"}                    # fields that a message must have for this row
    means = "audio"                            # audio, clear, agent_text, user_text or end
    data = "payload"                           # path of the base64 audio, or of the text
    rate = "sampleRate"                        # path of the audio's rate, where it is stated

Rows are tried in their order; a message that fits none is skipped.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bench.lines.line import LineError, Words
from pipelines.errors import SpecError
from pipelines.guards.texts import parse_toml
from pipelines.spec import read_options
from pipelines.wires.messages import base64_bytes, base64_text, json_object
from pipelines.wires.messages import field as at

Means = Literal["audio", "clear", "agent_text", "user_text", "end"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a message carries."""

    means: Means
    text: str = ""
    data: bytes = b""
    rate_hz: int | None = None

    def words(self) -> Words:
        """The words of one side."""
        return Words("agent" if self.means == "agent_text" else "user", self.text)


@dataclass(frozen=True, slots=True)
class SendRow:
    """The user's audio."""

    message: Mapping[str, Any]
    """Fields that every message has."""
    data: str
    """Path at which the base64 text is put."""


@dataclass(frozen=True, slots=True)
class ReceiveRow:
    """One kind of message of the server's."""

    when: Mapping[str, Any]
    """Path → value that the message must have there."""
    means: Means
    data: str = ""
    """Path of the base64 audio, or of the text."""
    rate: str = ""
    """Path of the audio's rate in Hz; empty: the option ``rate_hz``."""

    def fits(self, message: Mapping[str, Any]) -> bool:
        """Whether the message is of this kind."""
        return all(at(message, path) == value for path, value in self.when.items())


@dataclass(frozen=True, slots=True)
class ProtocolMap:
    """One server's messages."""

    hello: tuple[Mapping[str, Any], ...] = ()
    turn_over: tuple[Mapping[str, Any], ...] = ()
    send: SendRow | None = None
    receive: tuple[ReceiveRow, ...] = field(default=())

    def audio(self, data: bytes) -> bytes | dict[str, Any]:
        """A message with the user's audio."""
        if self.send is None:
            return data
        message = copy.deepcopy(dict(self.send.message))
        *parents, last = self.send.data.split(".")
        inner = message
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = base64_text(data)
        return message

    def read(self, text: str) -> Heard | None:
        """The meaning of a text message; None: no row fits.

        Raises:
            WireError: it is no JSON object, or its audio is no base64.
        """
        message = json_object(text)
        row = next((row for row in self.receive if row.fits(message)), None)
        if row is None:
            return None
        found = at(message, row.data) if row.data else ""
        if row.means == "audio":
            rate_hz = at(message, row.rate) if row.rate else None
            stated = rate_hz if isinstance(rate_hz, int) and rate_hz > 0 else None
            return Heard("audio", data=base64_bytes(found, row.data), rate_hz=stated)
        return Heard(row.means, text=found if isinstance(found, str) else "")


def read_map(path: str) -> ProtocolMap:
    """The protocol map of a file.

    Raises:
        LineError: it can't be read, or is none; one sentence with file and field.
    """
    try:
        table = parse_toml(Path(path).read_bytes())
        return _map(table, path)
    except OSError as error:
        raise LineError(f"the protocol map {path} can't be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise LineError(f"the protocol map {path} is no TOML: {error}") from None
    except SpecError as error:
        raise LineError(str(error)) from None


def _map(table: Mapping[str, Any], path: str) -> ProtocolMap:
    known = {"hello", "turn_over", "audio", "receive"}
    if unknown := sorted(set(table) - known):
        raise SpecError(f"{path}: {unknown[0]!r} is no part of a protocol map: {sorted(known)}.")
    rows = table.get("receive", [])
    if not isinstance(rows, list) or not rows:
        raise SpecError(f"{path}: at least one [[receive]] must say which message is audio.")
    send = read_options(SendRow, table["audio"], f"{path} [audio]") if "audio" in table else None
    receive = tuple(read_options(ReceiveRow, row, f"{path} [[receive]]") for row in rows)
    for row in receive:
        if row.means in get_args(Means)[:1] and not row.data:
            raise SpecError(f"{path} [[receive]]: means = 'audio' needs data, the audio's path.")
    return ProtocolMap(
        _messages(table, "hello", path), _messages(table, "turn_over", path), send, receive
    )


def _messages(table: Mapping[str, Any], key: str, path: str) -> tuple[Mapping[str, Any], ...]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise SpecError(f"{path}: {key} is a list of tables, one for each message.")
    return tuple(found)
