"""RTVI: the JSON messages of Pipecat's clients, and the dialect of its evals, in which audio goes.

Source: pipecat-ai 1.14.0, ``processors/frameworks/rtvi/models.py`` (protocol 2.2.0) and
``evals/serializer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.wires.error import WireError
from pipelines.wires.messages import (
    base64_bytes,
    base64_text,
    field,
    json_object,
    sample_bytes,
    samples,
)

LABEL = "rtvi-ai"
VERSION = "2.2.0"


@dataclass(frozen=True, slots=True)
class Rtvi:
    """One message."""

    type: str
    data: Mapping[str, Any]

    def text(self, path: str) -> str:
        """A text of its data; empty: there is none."""
        found = field(self.data, path)
        return found if isinstance(found, str) else ""


def read(text: str | bytes) -> Rtvi | None:
    """A message; None: JSON of another protocol.

    Raises:
        WireError: it is no JSON object.
    """
    message = json_object(text)
    kind, data = message.get("type"), message.get("data")
    if message.get("label") != LABEL or not isinstance(kind, str):
        return None
    return Rtvi(kind, data if isinstance(data, Mapping) else {})


def bot_audio(message: Rtvi) -> tuple[npt.NDArray[np.int16], int]:
    """(n,) samples and rate in Hz of an ``eval-bot-audio``.

    Raises:
        WireError: it holds no audio.
    """
    rate_hz = message.data.get("sampleRate")
    if not isinstance(rate_hz, int) or rate_hz <= 0:
        raise WireError("eval-bot-audio came without its sampleRate")
    return samples(base64_bytes(message.data.get("audio"), "audio")), rate_hz


def message(kind: str, data: Mapping[str, Any], number: str) -> dict[str, Any]:
    """A message of the client's."""
    return {"label": LABEL, "type": kind, "id": number, "data": dict(data)}


def client_ready(number: str = "ready") -> dict[str, Any]:
    """The client's hello; the bot answers ``bot-ready``."""
    data = {"version": VERSION, "about": {"library": "duplex-lab"}}
    return message("client-ready", data, number)


def eval_connect() -> dict[str, Any]:
    """The message that selects the dialect of evals, with the bot's audio."""
    options = {"skip_tts": False, "capture_bot_audio": True, "capture_bot_images": False}
    return message("client-message", {"t": "eval-connect", "d": options}, "eval-connect")


def raw_audio(pcm: npt.NDArray[np.int16], rate_hz: int, number: int) -> dict[str, Any]:
    """(n,) samples of the user's."""
    data = {
        "base64Audio": base64_text(sample_bytes(pcm)),
        "sampleRate": rate_hz,
        "numChannels": 1,
    }
    return message("raw-audio", data, str(number))
