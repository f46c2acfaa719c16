"""Messages to a face, sent over its websocket, in two versions of one schema. Pure.

v1 is the course's ``{emotion, mouth, speaking}``: one of the presets and an opening of the mouth.
v2 replaces the preset by a point of the valence–arousal plane and adds mouth shapes. One renderer
draws both, and does without what a message leaves out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pipelines.errors import LabError
from pipelines.guards.texts import parse_json

Emotion = Literal["neutral", "happy", "sad", "angry", "afraid", "surprised", "disgusted"]
"""Neutral, and the six basic emotions of Ekman, as v1 names them."""
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)
VERSIONS = (1, 2)


class MessageError(LabError):
    """A text is no face message; the renderer ignores and counts such texts."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """The lips at one moment."""

    after_ms: float
    """Time after the message's ``at``."""
    open: float
    """Opening of the jaw, 0–1."""
    wide: float
    """Distance of the corners, 0–1."""
    round: float
    """Rounding of the lips, 0–1."""


@dataclass(frozen=True, slots=True)
class FaceMessage:
    """One message to the face; see `encode` for its form in JSON."""

    v: int
    """Version, 1 or 2."""
    mouth: float
    """Opening of the mouth, 0–1, from the audio's RMS."""
    speaking: bool
    """True while the agent speaks."""
    emotion: Emotion = "neutral"
    """v1's preset."""
    valence: float = 0.0
    """v2: unpleasant −1 … 1 pleasant."""
    arousal: float = 0.0
    """v2: calm −1 … 1 excited."""
    visemes: tuple[Keyframe, ...] = ()
    """v2: the lips within this frame; without them, ``mouth`` moves the lips."""
    at: int | None = None
    """Index, in the agent's audio stream, of the first sample that ``mouth`` was computed from;
    None: the message holds from its arrival."""
    samples: int | None = None
    """Number of samples that it was computed from; None where ``at`` is."""
    state: str = ""
    """The orchestrator's state, for a line of text; it does not change the drawing."""
    backchannel: bool | None = None
    """True to nod; None: whenever ``speaking`` is false."""
    hum: bool | None = None
    """True if some of the nods come with an audible mm-hm; None: none does."""


def encode(message: FaceMessage) -> str:
    """JSON of a message: the keys of its version, and other known fields."""
    table: dict[str, Any] = {"v": message.v}
    if message.v == 1:
        table["emotion"] = message.emotion
    else:
        table |= {"valence": round(message.valence, 3), "arousal": round(message.arousal, 3)}
        if message.visemes:
            table["visemes"] = [
                [round(k.after_ms, 1), round(k.open, 3), round(k.wide, 3), round(k.round, 3)]
                for k in message.visemes
            ]
    table |= {"mouth": round(message.mouth, 3), "speaking": message.speaking}
    if message.at is not None:
        table |= {"at": message.at, "samples": message.samples}
    if message.state:
        table["state"] = message.state
    if message.backchannel is not None:
        table["backchannel"] = message.backchannel
    if message.hum is not None:
        table["hum"] = message.hum
    return json.dumps(table, separators=(",", ":"))


def parse(text: str) -> FaceMessage:
    """Reads a message as the renderer does: numbers out of range are clamped.

    A message without ``v`` is one of v1.

    Raises:
        MessageError: it is not one; the text says why.
    """
    try:
        table = parse_json(text)
    except ValueError:
        raise MessageError(f"not JSON: {text[:40]!r}") from None
    if not isinstance(table, dict):
        raise MessageError(f"an object is needed, not {text[:40]!r}")
    v = table.get("v", 1)
    if isinstance(v, bool) or v not in VERSIONS:
        raise MessageError(f"v = {v!r} is unknown; known: 1, 2")
    if not isinstance(table.get("speaking"), bool):
        raise MessageError("speaking must be true or false")
    mouth = _number(table, "mouth", 0.0, 1.0)
    keyframes: tuple[Keyframe, ...] = ()
    emotion: Any = "neutral"
    valence = arousal = 0.0
    if v == 1:
        emotion = table.get("emotion")
        if emotion not in EMOTIONS:
            raise MessageError(f"emotion = {emotion!r} is unknown; known: {', '.join(EMOTIONS)}")
    else:
        valence, arousal = (_number(table, key, -1.0, 1.0) for key in ("valence", "arousal"))
        keyframes = _keyframes(table.get("visemes", []))
    at, samples = table.get("at"), table.get("samples")
    for key, count in (("at", at), ("samples", samples)):
        if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
            raise MessageError(f"{key} must be a whole number")
    backchannel, hum = (_flag(table, key) for key in ("backchannel", "hum"))
    return FaceMessage(
        v,
        mouth,
        table["speaking"],
        emotion,
        valence,
        arousal,
        keyframes,
        at,
        samples,
        str(table.get("state", "")),
        backchannel,
        hum,
    )


def _flag(table: dict[str, Any], key: str) -> bool | None:
    value = table.get(key)
    if value is not None and not isinstance(value, bool):
        raise MessageError(f"{key} must be true or false")
    return value


def _number(table: dict[str, Any], key: str, least: float, most: float) -> float:
    value: Any = table.get(key)
    if not _is_number(value):
        raise MessageError(f"{key} must be a number from {least:g} to {most:g}")
    return min(most, max(least, float(value)))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _keyframes(rows: object) -> tuple[Keyframe, ...]:
    if not isinstance(rows, list):
        raise MessageError("visemes must be a list")
    found = []
    for row in rows:
        plain = isinstance(row, list) and len(row) == 4
        if not plain or not all(map(_is_number, row)):
            raise MessageError("a viseme is [after_ms, open, wide, round]")
        found.append(Keyframe(*map(float, row)))
    return tuple(found)
