"""What a client asks of its conversation, whichever protocol it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Hear:
    """The user's audio."""

    pcm: Pcm  # (n,) int16, at the rate that the conversation takes


@dataclass(frozen=True, slots=True)
class Instruct:
    """The system prompt from now on."""

    text: str


@dataclass(frozen=True, slots=True)
class Tell:
    """A written message that becomes part of the conversation."""

    role: str
    """``user``, ``assistant`` or ``system``."""
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The functions that the model may call from now on."""

    functions: tuple[Mapping[str, Any], ...]
    """Each with ``name``, ``description`` and ``parameters``, a JSON schema."""


@dataclass(frozen=True, slots=True)
class GiveResult:
    """The result of a function that the model called."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent is asked to answer now, to what was written or heard."""

    after_audio: bool
    """True if audio was held back until now: the user's turn ends with it."""
    after_result: bool = False
    """True if results of functions were given right before: the agent goes on by itself."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The agent is to stop speaking."""


@dataclass(frozen=True, slots=True)
class PressKey:
    """The user pressed a key of the telephone."""

    digit: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The client is gone."""


Command = Hear | Instruct | Tell | Offer | GiveResult | Answer | Interrupt | PressKey | HangUp
