"""Words of the creature's world: templates, things and places, each as said and as answered."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_ALTERNATIVES = re.compile(r"\(([^()]*)\)")
_RULE = re.compile(r"<(\w+)>")


def load_toml(name: str) -> dict[str, Any]:
    """Reads one of the data files beside this module."""
    with (HERE / name).open("rb") as file:
        return tomllib.load(file)


@dataclass(frozen=True, slots=True)
class Thing:
    """An object, with its colour where one is known."""

    noun: str
    colour: str = ""

    @property
    def phrase(self) -> str:
        """Colour and noun, without an article."""
        return f"{self.colour} {self.noun}".strip()

    @property
    def the(self) -> str:
        """How an answer names it."""
        return f"the {self.phrase}"

    @property
    def a(self) -> str:
        """How an answer names one that is not there."""
        return f"{'an' if self.phrase[0] in 'aeiou' else 'a'} {self.phrase}"


def is_held_out(thing: Thing) -> bool:
    """Colour–noun pairs that training never sees (about one in twelve)."""
    return bool(thing.colour) and sum(map(ord, thing.phrase)) % 12 == 5


@dataclass(frozen=True, slots=True)
class Place:
    """A place with its preposition, e.g. ``next to`` the ``window``."""

    prep: str
    room: str
    colour: str = ""
    """Set where the place is an object, e.g. in the red box."""

    @property
    def phrase(self) -> str:
        """How an answer names it."""
        return f"{self.prep} the {f'{self.colour} {self.room}'.strip()}"


class Language:
    """Fills templates and draws things, places and names; all randomness comes from ``rng``."""

    def __init__(
        self, rng: random.Random, held_out: bool = False, scene_lessons: bool = False
    ) -> None:
        self.rng = rng
        self.held_out = held_out
        self.scene_lessons = scene_lessons
        """Mostly questions, on scenes that may be small: looking up is learned from few facts."""
        self.followups = load_toml("followups.toml")
        self.world = load_toml("world.toml")
        self.talk = load_toml("talk.toml")
        self.questions = load_toml("questions.toml")
        self.rules: dict[str, list[str]] = {**self.world["rules"], **self.talk["rules"]}
        self.rooms = list(self.world["places"])

    def pick(self, options: Sequence[Any]) -> Any:
        """One of the options, all equally likely."""
        return options[self.rng.randrange(len(options))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def weighted(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """One row of a table, by its ``weight``."""
        return self.rng.choices(rows, weights=[row.get("weight", 1) for row in rows])[0]

    def fill(self, template: str) -> str:
        """Resolves alternatives and rules; ``{slots}`` stay for the caller."""
        text = template
        while True:
            text, alternatives = _ALTERNATIVES.subn(
                lambda m: self.pick(m.group(1).split("|")), text
            )
            text, rules = _RULE.subn(lambda m: self.pick(self.rules[m.group(1)]), text)
            if not alternatives and not rules:
                return " ".join(text.split())

    def ask(self, question: str, **slots: str) -> str:
        """One way to ask a question about the scene."""
        template = self.fill(self.pick(self.questions[question]))
        return " ".join(template.format(**slots).split())

    def thing(self, coloured: float = 0.8) -> Thing:
        """A random thing; some have no colour, a few are plural."""
        noun = self.pick(self.world["objects"])
        if self.chance(coloured):
            while is_held_out(thing := Thing(noun, self.pick(self.world["colours"]))):
                if self.held_out:
                    break
            return thing
        return Thing(self.plural(noun) if self.chance(0.15) else noun)

    def plural(self, noun: str) -> str:
        """The noun's plural."""
        return str(self.world["plurals"].get(noun, f"{noun}s"))

    def place(self, of_object: float = 0.12) -> Place:
        """A random place; sometimes an object is the place."""
        if self.chance(of_object):
            thing = self.thing(0.6)
            return Place(self.pick(["next to", "next to", "behind", "on", "under"]), *_pair(thing))
        room = self.pick(self.rooms)
        return Place(self.pick(self.world["places"][room]), room)

    def say_thing(self, thing: Thing) -> str:
        """How a person names the thing."""
        det = self.pick(self.rules["det"])
        if det == "a":
            det = "" if thing.noun.endswith("s") and not thing.colour else thing.a.split()[0]
        elif thing.noun.endswith("s") and not thing.colour and det in ("that", "this"):
            det = "the"
        return f"{det} {thing.phrase}".strip()

    def say_prep(self, place: Place) -> str:
        """How a person says the preposition."""
        return str(self.pick(self.world["prepositions"][place.prep]))

    def say_place(self, place: Place) -> str:
        """How a person names the place."""
        det = "the" if self.chance(0.93) else self.pick(["my", "that", ""])
        room = f"{place.colour} {place.room}".strip()
        return f"{self.say_prep(place)} {det} {room}".replace("  ", " ")


def _pair(thing: Thing) -> tuple[str, str]:
    return thing.noun, thing.colour


def sentence(text: str) -> str:
    """First letter upper case, a full stop where no mark is."""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else f"{text}."


def listing(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
