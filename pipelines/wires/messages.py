"""The common parts of protocols that put audio into JSON: objects, base64, samples."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipelines.guards.texts import parse_json
from pipelines.wires.error import WireError

SampleFormat = Literal["int16", "float32"]
"""Formats of raw samples, little-endian; float32 is full scale at ±1."""
SHOWN = 60
"""Characters of a message that an error quotes."""


def json_object(text: str | bytes) -> dict[str, Any]:
    """The object that a message holds.

    Raises:
        WireError: it holds none.
    """
    try:
        found = parse_json(text)
    except ValueError as error:
        raise WireError(f"a message is no JSON ({error}): {_quoted(text)}") from None
    if not isinstance(found, dict):
        raise WireError(f"a message holds no JSON object: {_quoted(text)}")
    return found


def json_text(message: Mapping[str, Any]) -> str:
    """The message as JSON, without blanks."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def field(message: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as ``media.payload``; None: there is none."""
    found: Any = message
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def base64_bytes(value: object, name: str) -> bytes:
    """The bytes of a base64 text.

    Args:
        value: A field of a message.
        name: Its name, for the error.

    Raises:
        WireError: it is no base64.
    """
    if not isinstance(value, str):
        raise WireError(f"{name} is no base64 text, but {type(value).__name__}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"{name} is no base64: {error}") from None


def base64_text(data: bytes) -> str:
    """The bytes as base64."""
    return base64.b64encode(data).decode("ascii")


def samples(data: bytes, of: SampleFormat = "int16") -> npt.NDArray[np.int16]:
    """(n,) int16 samples of raw bytes.

    Raises:
        WireError: the bytes end within a sample, or a float is not finite.
    """
    size = 2 if of == "int16" else 4
    if len(data) % size:
        raise WireError(f"half a sample arrived: {of} takes {size} bytes each, got {len(data)}")
    if of == "int16":
        return np.frombuffer(data, "<i2").astype(np.int16)
    floats = np.frombuffer(data, "<f4")
    if not np.isfinite(floats).all():
        raise WireError("a sample is not a finite number")
    scaled = np.clip(np.rint(floats * 32_768), -32_768, 32_767)
    return np.asarray(scaled, np.int16)


def sample_bytes(pcm: npt.NDArray[np.int16], of: SampleFormat = "int16") -> bytes:
    """Raw bytes of (n,) int16 samples."""
    if of == "int16":
        return pcm.astype("<i2").tobytes()
    return (pcm.astype(np.float32) / 32_768).astype("<f4").tobytes()


def _quoted(text: str | bytes) -> str:
    shown = text if isinstance(text, str) else text[:SHOWN].decode("utf-8", "replace")
    return repr(shown[:SHOWN])
