"""The narrow world of duplex-nano: what users say, the one right answer, and what it must name.

Sentences are drawn from the templates of sentences.toml with a seed. The model has no prompt, so it
lives in one room, which it knows by heart: that of the fixtures' scene. No sentence of a fixture is
ever drawn, and one in `FOLDS` (by a checksum of its words, or of its answer's) only when
``held_out`` is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.store.expectation import Expectation
from training.creature_llm.corpus import normal
from training.creature_llm.language import Language, Place, Thing
from training.nano_duplex.world import fixture_sentences, is_held_out, is_sealed, tables

TRIES = 300
FRAMED, CORRECTED, CHAINED, UNCOLOURED = 0.5, 0.08, 0.10, 0.25
REPEAT = ("say", "say", "please say", "now say", "say again", "robot say", "can you say")
TWICE = 0.15
"""Of the murmurs."""
LISTS = ("count", "count", "colours", "rooms", "describe", "places")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a user says, and what the model answers."""

    user: str
    """Lower-case words."""
    agent: str
    """Words of the closed vocabulary; empty where it must hold its peace."""
    expect: Expectation
    """What a right answer names."""
    kind: str
    """command, question, talk, refusal or side_talk."""
    long: bool
    """Whether the answer is long enough to be interrupted."""
    memory: Mapping[str, str]
    """The slots as an answer names them: what "it" means next."""


class NanoLanguage:
    """Draws sentences; all randomness comes from ``rng``."""

    def __init__(
        self, rng: random.Random, held_out: bool = False, sealed: bool | None = None
    ) -> None:
        """Says what training may say, or what it may not.

        Args:
            rng: Draws.
            held_out: Only sentences that training never sees.
            sealed: Of these, only those of the sealed fixtures, or only the others; None: any.
        """
        self.rng = rng
        self.held_out, self.sealed = held_out, sealed
        self.table = tables()
        self.fill = Language(rng)
        self.fill.rules = self.table["rules"]
        self.fill.world = {**self.fill.world, **self.table}
        self.fill.rooms = list(self.table["places"])
        self._rows: list[dict[str, Any]] = self.table["say"]

    def exchange(self, *, kind: str = "", intent: str = "", long: bool | None = None) -> Exchange:
        """An exchange of this kind or intent, long or short; of any where nothing is said."""
        while True:  # the row first: of some, few sentences are held out
            row = self._row(kind, intent, long)
            for _ in range(TRIES):
                if self._allows(made := self._draw(row)):
                    return made

    def follow_up(self, before: Exchange) -> Exchange | None:
        """What may be said next about the thing of the exchange before; None if it has none."""
        if before.kind != "command" or "O" not in before.memory or "O2" in before.memory:
            return None
        return self._allowed(lambda: self._follow(before), followed=True)

    def interruption(self) -> Exchange:
        """What is said over an answer that the user doesn't want to hear to its end."""

        def draw() -> Exchange:
            if self.rng.random() < 0.25:
                return self._draw(self._row("", "stop", None))
            long = self.rng.random() < 0.5
            said = self._draw(self._row("" if long else "command", "", long))
            while not self.held_out and is_held_out(said.user, said.agent):
                said = self._draw(self._row("" if long else "command", "", long))
            if self.rng.random() < 0.2:
                return said
            user = f"{self.fill.pick(self.table['rules']['barge'])} {said.user}"
            return _with_user(said, user)

        return self._allowed(draw)

    def listing(self) -> Exchange:
        """What is answered by a list: numbers, colours, places, things."""
        return self._allowed(lambda: self._draw(self._row("", self.fill.pick(LISTS), None)))

    def repetition(self) -> Exchange:
        """Things in any order, to be said again: answers are composed, not known by heart.

        The world's own promises are few enough to be learned as wholes, and the held-out ones
        among them are then what is never said.
        """

        def draw() -> Exchange:
            things = [self._thing() for _ in range(self.rng.randint(1, 3))]
            told = " ".join(self.fill.pick([t.phrase, t.phrase, t.the]) for t in things)
            if self.rng.random() < 0.3:
                told += " " + self.fill.place(0.0).phrase
            said = f"{self.fill.pick(REPEAT)} {told}"
            words = tuple(dict.fromkeys(told.split()))
            expect = Expectation(intent="say", slots={word: (word,) for word in words})
            return Exchange(said, told, expect, "command", False, {})

        return self._allowed(draw)

    def side_talk(self) -> Exchange:
        """What is said to somebody else."""
        return self.exchange(kind="side_talk")

    def backchannel(self) -> str:
        """What a listener says who doesn't want the floor: a word, as fixtures have it."""
        return str(self.fill.pick(self.table["backchannels"]["say"]))

    def murmur(self) -> str:
        """The same as people do it: sometimes twice, or two of them."""
        said = self.backchannel()
        if self.rng.random() < TWICE:
            said += " " + (said if self.rng.random() < 0.5 else self.backchannel())
        return said

    def _allowed(self, draw: Callable[[], Exchange], followed: bool = False) -> Exchange:
        while not self._allows(made := draw(), followed):
            pass
        return made

    def _allows(self, said: Exchange, followed: bool = False) -> bool:
        # What follows may have many answers: its sentence alone decides.
        held = is_held_out(said.user, "" if followed else said.agent)
        if self.held_out and self.sealed not in (None, is_sealed(said.user)):
            return False
        return held == self.held_out and said.user not in fixture_sentences()

    def _row(self, kind: str, intent: str, long: bool | None) -> dict[str, Any]:
        rows = [
            row
            for row in self._rows
            if (not kind or row["kind"] == kind)
            and (not intent or row["intent"] == intent)
            and (kind or row["kind"] != "side_talk")
            and (long is None or row.get("long", False) == long)
        ]
        return self.fill.weighted(rows)

    def _draw(self, row: Mapping[str, Any]) -> Exchange:
        slots = self._slots(row)
        template = self.fill.fill(self.fill.pick(row["user"]))
        expect = _expectation(row, slots)
        if row.get("correct") and self.rng.random() < CORRECTED:
            user, expect = self._corrected(row, template, slots, expect)
        else:
            user = template.format(**slots)
        agent = _agent(row, slots)
        if "does" in row and row["kind"] == "command" and self.rng.random() < CHAINED:
            user, agent, expect = self._chained(row, user, slots, expect)
        if row.get("frame") and self.rng.random() < FRAMED:
            user = self._framed(user)
        return Exchange(
            user=normal(user),
            agent=normal(agent),
            expect=expect,
            kind=row["kind"],
            long=row.get("long", False),
            memory=_remembered(agent, slots),
        )

    def _framed(self, user: str) -> str:
        front, back = self.fill.pick(["fb", "f", "f", "b"]), self.fill.rules
        if "f" in front:
            user = f"{self.fill.pick(back['front'])} {user}"
        return f"{user} {self.fill.pick(back['back'])}" if "b" in front else user

    def _slots(self, row: Mapping[str, Any]) -> dict[str, str]:
        fill, table = self.fill, self.table
        thing, place = self._thing(), fill.place(0.0)
        real: Place | None = None
        if row.get("scene"):
            fact = fill.pick(table["fact"])
            thing = Thing(fact["noun"], fact["colour"])
            real = Place(fact["prep"], fact["room"])
            while place.room == real.room:
                place = fill.place(0.0)
        elif row.get("absent"):
            while thing.noun in {fact["noun"] for fact in table["fact"]}:
                thing = self._thing()
        while real is None and place.room == thing.noun:
            place = fill.place(0.0)
        said = fill.say_place(place)
        place = real or place
        other, source = self._thing(), fill.place(0.0)
        while other.noun in (thing.noun, place.room):
            other = self._thing()
        while source.room in (place.room, thing.noun):
            source = fill.place(0.0)
        off = f"from the {source.room}" if fill.chance(0.6) else source.phrase
        return {
            "o": fill.say_thing(thing), "O": thing.the, "a": thing.a,
            "noun": thing.noun, "colour": thing.colour, "phrase": thing.phrase,
            "o2": fill.say_thing(other), "O2": other.the, "noun2": other.noun,
            "p": said, "P": place.phrase, "room": place.room, "source": off,
            "d": fill.pick(table["directions"]), "n": fill.pick(table["numbers"][1:]),
            "unit": fill.pick(table["units"]), "thing": fill.pick(table["openable"]),
            "state": fill.pick(["on", "off"]), "name": fill.pick(table["names"]),
            "colour0": fill.pick(table["colours"]),
        }  # fmt: skip

    def _thing(self) -> Thing:
        colour = "" if self.rng.random() < UNCOLOURED else self.fill.pick(self.table["colours"])
        return Thing(self.fill.pick(self.table["objects"]), colour)

    def _corrected(
        self, row: Mapping[str, Any], template: str, slots: dict[str, str], expect: Expectation
    ) -> tuple[str, Expectation]:
        """The sentence with a slot said wrong first; the answer must not name what was wrong."""
        names = [name for name in row["correct"] if f"{{{name}}}" in template]
        if not names:
            return template.format(**slots), expect
        name = self.fill.pick(names)
        wrong = self._slots(row)
        right, slip = slots[name], wrong[name]
        cue = self.fill.pick(self.table["rules"]["cue"])
        if name == "o" and slots["colour"] and wrong["colour"] and self.rng.random() < 0.7:
            slip = f"the {wrong['colour']} {slots['noun']}"
            right = self.fill.pick([f"the {slots['colour']} one", slots["O"]])
            never = wrong["colour"]
        else:
            never = {"o": wrong["noun"], "p": wrong["room"]}.get(name, slip)
            right = f"the {right}" if name in ("room", "thing") else right
        if f" {never} " in f" {_agent(row, slots)} ":
            return template.format(**slots), expect
        user = template.format(**{**slots, name: f"{slip} {cue} {right}"})
        return user, _with_never(expect, never)

    def _chained(
        self, row: Mapping[str, Any], user: str, slots: dict[str, str], expect: Expectation
    ) -> tuple[str, str, Expectation]:
        """This command, and then another: one for the same thing, or any."""
        join = self.fill.pick(["and", "and then", "and then", "then"])
        own = {k: v for k, v in expect.slots.items() if k in ("object", "place")} or expect.slots
        if row["intent"] in ("pick_up", "find") and "O2" not in row["does"]:
            i = self.rng.randrange(len(self.table["chain"][0]["user"]))
            second = self.fill.fill(self.table["chain"][0]["user"][i]).format(**slots)
            does = self.table["chain"][0]["does"][i].format(**slots)
            more: dict[str, tuple[str, ...]] = {}
            if slots["room"] in does.split():
                more["place"] = (slots["room"],)
        else:
            rows = [r for r in self._rows if "does" in r and r["kind"] == "command"]
            other = self.fill.weighted([r for r in rows if r["intent"] != row["intent"]])
            theirs = self._slots(other)
            second = self.fill.fill(self.fill.pick(other["user"])).format(**theirs)
            does = other["does"].format(**theirs)
            more = {f"then_{k}": v for k, v in _expectation(other, theirs).slots.items()}
        agent = f"i will {row['does'].format(**slots)} and then {does}"
        slots_wanted = {**own, **more}
        chained = Expectation(intent="sequence", slots=slots_wanted, never=expect.never)
        if any(f" {word} " in f" {agent} " for word in expect.never):
            chained = Expectation(intent="sequence", slots=slots_wanted)
        return f"{user} {join} {second}", agent, chained

    def _follow(self, before: Exchange) -> Exchange:
        row = self.fill.pick(self.table["follow"])
        slots = {**self._slots(row), **before.memory}
        while slots["room"] == slots["noun"]:
            slots = {**self._slots(row), **before.memory}
        user = self.fill.fill(self.fill.pick(row["user"])).format(**slots)
        agent = _agent(row, slots)
        return Exchange(
            normal(user), normal(agent), _expectation(row, slots), row["kind"], False, before.memory
        )


def _agent(row: Mapping[str, Any], slots: Mapping[str, str]) -> str:
    does = row.get("does", "").format(**slots)
    return str(row["agent"].format(**slots, does=does))


def _expectation(row: Mapping[str, Any], slots: Mapping[str, str]) -> Expectation:
    wanted = {
        name: tuple(text for w in wordings if (text := w.format(**slots)))
        for name, wordings in row["expect"].items()
    }
    wanted = {name: wordings for name, wordings in wanted.items() if wordings}
    return Expectation(respond=row["kind"] != "side_talk", intent=row["intent"], slots=wanted)


def _with_never(expect: Expectation, never: str) -> Expectation:
    return Expectation(expect.respond, expect.intent, expect.slots, (never,))


def _with_user(said: Exchange, user: str) -> Exchange:
    return Exchange(user, said.agent, said.expect, said.kind, said.long, said.memory)


def _remembered(agent: str, slots: Mapping[str, str]) -> dict[str, str]:
    """The things that the answer names."""
    kept = ["O", "noun", "colour", "a", "phrase"] if slots["O"] in agent else []
    kept += ["O2"] if slots["O2"] in agent else []
    return {name: slots[name] for name in kept}
