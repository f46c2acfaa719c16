"""Memories on their way into a model: what it is told, and by which of its ways in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pipelines.server.memory.disk.record import Candidate, iso
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.events import Context

SOURCE = "memory"
Way = Literal["say", "condition", "context", "off"]
WAYS: tuple[Way, ...] = ("say", "condition", "context")
"""Ways in, the first that a model has is taken."""
_SWAPS = (
    (r"\bI am\b|\bI'm\b|\bi'm\b|\bi am\b", "you are"),
    (r"\bI was\b|\bi was\b", "you were"),
    (r"\bI\b|\bi\b", "you"),
    (r"\bmyself\b", "yourself"),
    (r"\bmy\b", "your"),
    (r"\bmine\b", "yours"),
    (r"\bme\b", "you"),
)
"""First person → second, for what is spoken to the person who said it."""


def way_in(can: Capabilities, wanted: str) -> Way:
    """How memories reach a model: as wanted, or by the first way that it has.

    Forced text is for models that hear while they speak: a cascade would read it out.
    """
    has = [way for way in WAYS if way in can.inputs and (way != "say" or can.full_duplex)]
    if wanted == "auto":
        return has[0] if has else "off"
    return next((way for way in has if way == wanted), "off")


def injection(candidates: Sequence[Candidate]) -> Context:
    """The memories as one injection: where they come from, what can be spoken, what they are."""
    texts = [one.memory.text for one in candidates]
    return Context(
        SOURCE,
        " ".join(map(to_second_person, texts)),
        {
            "memories": [
                {
                    "text": one.memory.text,
                    "said": iso(one.memory.said_s),
                    "relevance": round(one.relevance, 3),
                    "importance": one.memory.importance,
                }
                for one in candidates
            ]
        },
    )


def for_language_model(given: Context) -> str:
    """What a language model reads of an injection."""
    said = "; ".join(
        f"“{one['text']}” ({str(one['said'])[:10]})" for one in given.payload.get("memories", ())
    )
    return f"Known of this user: {said}" if said else given.summary


def to_second_person(text: str) -> str:
    """``My name is Ada.`` → ``your name is Ada.``"""
    for pattern, by in _SWAPS:
        text = re.sub(pattern, by, text)
    text = re.sub(r"\bMy\b", "your", text).strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
