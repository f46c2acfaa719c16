"""Is an answer right? It is if it names every slot that was asked for, and nothing forbidden.

The rule is simple on purpose: it reads the agent's words only, so that every agent, however it
phrases its answer, is judged by the same rule. Expectations are committed with the fixtures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.store.words import words


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a good agent does after one user turn."""

    respond: bool = True
    """True: the agent answers. False: it stays silent."""
    intent: str = ""
    """Short name of the user's intent, e.g. ``pick_and_place``. Informative."""
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Slot name → accepted wordings; the answer must contain one of them, as whole words."""
    never: tuple[str, ...] = ()
    """Wordings that make the answer wrong, e.g. the colour that the user took back."""

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Expectation:
        """Reads the ``expect`` table of a fixture or of a free sentence.

        Raises:
            ValueError: a key is unknown or a value has the wrong type; the text names it.
        """
        unknown = set(table) - {"respond", "intent", "slots", "never"}
        if unknown:
            raise ValueError(f"expect: unknown key {sorted(unknown)[0]!r}")
        slots: dict[str, tuple[str, ...]] = {}
        for name, wordings in dict(table.get("slots", {})).items():
            if (
                not isinstance(wordings, list)
                or not wordings
                or not all(isinstance(w, str) for w in wordings)
            ):
                raise ValueError(f"expect.slots.{name}: a list of accepted wordings is needed")
            slots[name] = tuple(wordings)
        respond = table.get("respond", True)
        if not isinstance(respond, bool):
            raise ValueError("expect.respond: true or false is needed")
        return cls(
            respond=respond,
            intent=str(table.get("intent", "")),
            slots=slots,
            never=tuple(table.get("never", ())),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one answer."""

    right: bool
    missing: tuple[str, ...]
    """Slots that the answer does not name."""
    forbidden: tuple[str, ...]
    """Wordings of ``never`` that the answer contains."""


def judge(expected: Expectation, answer: str) -> Verdict:
    """Judges an answer's text by the slots that a right answer names."""
    said = f" {' '.join(words(answer))} "

    def names(wording: str) -> bool:
        return f" {' '.join(words(wording))} " in said

    missing = tuple(s for s, wordings in expected.slots.items() if not any(map(names, wordings)))
    forbidden = tuple(w for w in expected.never if names(w))
    answered = bool(said.strip())
    right = not missing and not forbidden and answered == expected.respond
    return Verdict(right=right, missing=missing, forbidden=forbidden)
