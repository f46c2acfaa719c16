"""The part of a fixture that the analysis needs: words, audible limits, and the right behaviour.

These records are stored in a run's ``run.json``, so that results open anywhere, without the
fixtures they were measured on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from bench.store.expectation import Expectation
from pipelines.audio.onsets import Span

UserEvent = Literal["interruption", "backchannel", "cough", "side_talk", ""]
"""Kinds of turn that begin over the agent's speech. The user takes the turn only by an
interruption; during the others a good agent keeps speaking. Pauses are labelled inside a turn.
Empty: a turn that waits for the agent's end."""
EVENTS: tuple[UserEvent, ...] = ("interruption", "backchannel", "cough", "side_talk")
"""All but the empty one."""
IGNORED: tuple[UserEvent, ...] = ("backchannel", "cough", "side_talk")
"""Events of the user during which a good agent keeps speaking."""
WORDLESS: tuple[UserEvent, ...] = ("backchannel", "cough")
"""Events that hold no words to recognise."""

PROPOSED = "vad"
"""Source of labels that a detector proposed and nobody has checked."""
GIVEN = "words"
"""Source of labels that were made from the times of words that came with a recorded call."""
NAMED = 3
"""Fixtures that a note names, at most."""


@dataclass(frozen=True, slots=True)
class TurnLabels:
    """One turn of the user."""

    text: str
    """The words as spoken."""
    u_on: int
    """Sample index, in the turn's audio, of the first audible sample."""
    u_off: int
    """Sample index one past the last audible sample."""
    samples: int
    """Length of the turn's audio in samples."""
    rate_hz: int
    """Samples per second of the indices above."""
    expect: Expectation
    """Right behaviour of an agent after the turn."""
    pauses: tuple[Span, ...] = ()
    """Pauses inside the turn, in sample indices. Runs from before they were stored hold none."""
    event: UserEvent = ""
    """The kind of a turn that begins over the agent's speech: interruption, backchannel, cough or
    side_talk; empty for any other turn, and in runs from before this was stored."""
    written: bool = False
    """Whether the user wrote the text instead of speaking; False in runs from before this was
    stored."""

    def to_dict(self) -> dict[str, Any]:
        """The labels as plain JSON types."""
        expect = {
            "respond": self.expect.respond,
            "intent": self.expect.intent,
            "slots": {name: list(wordings) for name, wordings in self.expect.slots.items()},
            "never": list(self.expect.never),
        }
        return {
            "text": self.text,
            "u_on": self.u_on,
            "u_off": self.u_off,
            "samples": self.samples,
            "rate_hz": self.rate_hz,
            "expect": expect,
            **({"pauses": [[p.start, p.end] for p in self.pauses]} if self.pauses else {}),
            **({"event": self.event} if self.event else {}),
            **({"written": True} if self.written else {}),
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> TurnLabels:
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: a field is missing or of the wrong kind; the text names it.
        """
        try:
            return cls(
                text=str(table["text"]),
                u_on=int(table["u_on"]),
                u_off=int(table["u_off"]),
                samples=int(table["samples"]),
                rate_hz=int(table["rate_hz"]),
                expect=Expectation.from_table(table["expect"]),
                pauses=tuple(Span(int(a), int(b)) for a, b in table.get("pauses", ())),
                event=cast(UserEvent, str(table.get("event", ""))),
                written=table.get("written") is True,
            )
        except KeyError as missing:
            raise ValueError(f"turn labels: {missing.args[0]!r} is missing") from None


@dataclass(frozen=True, slots=True)
class FixtureLabels:
    """The user's side of one fixture."""

    name: str
    """The fixture's name."""
    turns: tuple[TurnLabels, ...]
    """The turns, in the order in which they are spoken."""
    proposed: bool = False
    """Whether a program proposed them and nobody has checked them; False in runs from before this
    was stored."""
    fillers: tuple[str, ...] = ()
    """Phrases of the agent that fill its wait for the answer; none in runs from before this was
    stored."""
    given: bool = False
    """Whether words and times that came with a recorded call say what is said and when."""

    def of(self, number: int) -> TurnLabels | None:
        """A turn's labels; None where there are none."""
        return self.turns[number] if 0 <= number < len(self.turns) else None

    def to_dict(self) -> dict[str, Any]:
        """The labels as plain JSON types; the name is the key under which they are stored."""
        named = PROPOSED if self.proposed else GIVEN if self.given else ""
        source = {"labels": named} if named else {}
        fillers = {"fillers": list(self.fillers)} if self.fillers else {}
        return {**source, **fillers, "turns": [turn.to_dict() for turn in self.turns]}

    @classmethod
    def from_dict(cls, name: str, table: Mapping[str, Any]) -> FixtureLabels:
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: a field is missing or of the wrong kind; the text names it.
        """
        if not isinstance(table.get("turns"), list):
            raise ValueError(f"labels of fixture {name!r}: a list 'turns' is needed")
        turns = tuple(TurnLabels.from_dict(turn) for turn in table["turns"])
        fillers = tuple(str(phrase) for phrase in table.get("fillers", ()))
        source = table.get("labels")
        return cls(name, turns, source == PROPOSED, fillers, source == GIVEN)


def proposed_note(fixtures: Sequence[str]) -> str:
    """The sentence that stands beside every figure of fixtures with proposed labels.

    Args:
        fixtures: Their names, at least one.
    """
    named = ", ".join(fixtures[:NAMED])
    if len(fixtures) > NAMED:
        named += f" and {len(fixtures) - NAMED} more"
    count = "1 fixture" if len(fixtures) == 1 else f"{len(fixtures)} fixtures"
    return (
        f"labels proposed, not checked: {count} ({named}); check them, and write "
        'labels = "hand" in the TOML.'
    )


def given_note(fixtures: Sequence[str]) -> str:
    """The sentence that stands beside every figure of calls whose words came with them.

    Args:
        fixtures: Their names, at least one.
    """
    count = "1 call" if len(fixtures) == 1 else f"{len(fixtures)} calls"
    return (
        f"turns from the words that came with {count}: who speaks when is theirs, first and last "
        "sounds are read off the audio."
    )
