"""The scene: facts in the system message, and questions that must be answered from them."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.creature_llm.language import Language, Place, Thing, is_held_out, listing

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing at one place."""

    thing: Thing
    place: Place

    @property
    def text(self) -> str:
        """As it stands in the system message."""
        return f"The {self.thing.phrase} is {self.place.phrase}."


@dataclass(frozen=True, slots=True)
class Answer:
    """A question about the scene with its only right answer."""

    user: str
    agent: str
    intent: str
    slots: dict[str, list[str]] = field(default_factory=dict)
    focus: Thing | None = None
    """What "it" means afterwards."""


def draw_scene(lang: Language) -> list[Fact]:
    """3–6 facts (rarely none): things differ, nouns often repeat so that colour matters."""
    if lang.chance(0.03):
        return []
    facts: list[Fact] = []
    rooms = [r for r in lang.rooms if r not in ("box", "plate", "garden", "wall")]
    spots = [lang.pick(rooms) for _ in range(3)]
    sizes = [1, 2, 2, 3, 3, 4, 5, 6] if lang.scene_lessons else [3, 4, 5, 5, 6, 6]
    number = lang.pick(sizes)
    while len(facts) < number:
        noun = lang.pick(lang.world["objects"])
        if facts and lang.chance(0.3):
            noun = lang.pick(facts).thing.noun
        thing = Thing(noun, lang.pick(lang.world["colours"]))
        if any(f.thing == thing for f in facts) or (is_held_out(thing) and not lang.held_out):
            continue
        room = lang.pick(spots) if lang.chance(0.45) else lang.pick(rooms)
        prep = lang.pick(lang.world["places"][room])
        facts.append(Fact(thing, Place(prep, room)))
    return facts


def _noun(lang: Language, facts: list[Fact], present: float = 0.72) -> str:
    if facts and lang.chance(present):
        return str(lang.pick(facts).thing.noun)
    return str(lang.pick(lang.world["objects"]))


def _query(lang: Language, facts: list[Fact], present: float = 0.72) -> Thing:
    """What is asked for: often there, often without its colour."""
    if facts and lang.chance(present):
        thing = lang.pick(facts).thing
        return thing if lang.chance(0.6) else Thing(thing.noun)
    return lang.thing(0.7)


def _matches(facts: list[Fact], thing: Thing) -> list[Fact]:
    return [
        f
        for f in facts
        if f.thing.noun == thing.noun and (not thing.colour or f.thing.colour == thing.colour)
    ]


def _singular(lang: Language, thing: Thing) -> Thing:
    for noun in lang.world["objects"]:
        if thing.noun == lang.plural(noun):
            return Thing(noun, thing.colour)
    return thing


def _at(lang: Language, facts: list[Fact]) -> tuple[Place, str, list[Fact]]:
    """A place to ask about, as said, and what is there."""
    place = lang.pick(facts).place if facts and lang.chance(0.75) else lang.place(0.0)
    return place, lang.say_place(place), [f for f in facts if f.place == place]


def where(lang: Language, facts: list[Fact], elliptic: bool = False) -> Answer:
    """Where is the red block?"""
    thing = _singular(lang, _query(lang, facts))
    said = lang.ask("where_next" if elliptic else "where", o=lang.say_thing(thing))
    found = _matches(facts, thing)
    if not found:
        return Answer(said, f"Sorry, I do not see {thing.a}.", "where_absent",
                      {"object": [thing.phrase], "answer": ["do not see"]})  # fmt: skip
    parts = [f"{f.thing.the} {f.place.phrase}" for f in found]
    slots = {f"object{i}": [f.thing.phrase] for i, f in enumerate(found)}
    slots |= {f"place{i}": [f.place.phrase] for i, f in enumerate(found)}
    focus = found[0].thing if len(found) == 1 else None
    return Answer(said, f"I see {listing(parts)}.", "where", slots, focus)


def what_at(lang: Language, facts: list[Fact], elliptic: bool = False) -> Answer:
    """What is on the table?"""
    place, p, found = _at(lang, facts)
    said = lang.ask("what_at_next" if elliptic else "what_at", p=p)
    if not found:
        return Answer(said, f"I see nothing {place.phrase}.", "what_at_nothing",
                      {"answer": ["nothing"], "place": [place.phrase]})  # fmt: skip
    things = listing([f.thing.the for f in found])
    slots = {f"object{i}": [f.thing.phrase] for i, f in enumerate(found)}
    focus = found[0].thing if len(found) == 1 else None
    return Answer(said, f"I see {things} {place.phrase}.", "what_at", slots, focus)


def anything_at(lang: Language, facts: list[Fact]) -> Answer:
    """Is there anything on the table?"""
    place, p, found = _at(lang, facts)
    said = lang.ask("anything_at", p=p)
    if not found:
        return Answer(said, f"No, I see nothing {place.phrase}.", "anything_no",
                      {"answer": ["no"], "place": [place.phrase]})  # fmt: skip
    things = listing([f.thing.the for f in found])
    slots = {f"object{i}": [f.thing.phrase] for i, f in enumerate(found)} | {"answer": ["yes"]}
    focus = found[0].thing if len(found) == 1 else None
    return Answer(said, f"Yes, I see {things} {place.phrase}.", "anything", slots, focus)


def exists(lang: Language, facts: list[Fact]) -> Answer:
    """Is there a cup (on the shelf)?"""
    thing = _singular(lang, _query(lang, facts))
    found = _matches(facts, thing)
    at_place = lang.chance(0.5)
    place = lang.place(0.0)
    if found and lang.chance(0.55):
        place = lang.pick(found).place
    a = thing.a if lang.chance(0.8) else f"any {thing.phrase}"
    if at_place:
        said = lang.ask("exists_at", p=lang.say_place(place), a=a, o=lang.say_thing(thing))
    elif not thing.colour and lang.chance(0.3):
        said = lang.ask("exists_any", ns=lang.plural(thing.noun))
    else:
        said = lang.ask("exists", a=a, o=lang.say_thing(thing))
    here = [f for f in found if f.place == place] if at_place else found
    if here or found:
        yes, shown = ("Yes", here) if here else ("No", found)
        parts = listing([f"{f.thing.the} {f.place.phrase}" for f in shown])
        slots = {"answer": [yes.lower()], "object": [shown[0].thing.phrase]}
        focus = shown[0].thing if len(shown) == 1 else None
        return Answer(said, f"{yes}, I see {parts}.", f"exists_{yes.lower()}", slots, focus)
    return Answer(said, f"No, I do not see {thing.a}.", "exists_absent",
                  {"answer": ["no"], "object": [thing.phrase]})  # fmt: skip


def count(lang: Language, facts: list[Fact]) -> Answer:
    """How many blocks (things, red things; on the table) are there?"""
    kind = lang.pick(["noun", "noun", "noun", "all", "at", "at", "colour", "pair"])
    noun, place, colour = _noun(lang, facts), "", ""
    if kind == "noun":
        found = [f for f in facts if f.thing.noun == noun]
    elif kind == "pair":
        thing = lang.pick(facts).thing if facts else lang.thing(1.0)
        noun, colour = thing.noun, thing.colour or "red"
        found = [f for f in facts if f.thing == Thing(noun, colour)]
    elif kind == "colour":
        colour = lang.pick(facts).thing.colour if facts and lang.chance(0.7) else "red"
        noun, found = "thing", [f for f in facts if f.thing.colour == colour]
    elif kind == "at":
        spot, place, found = _at(lang, facts)
        noun = "thing"
    else:
        noun, found = "thing", facts
    many = noun if kind == "pair" and lang.chance(0.2) else lang.plural(noun)
    many = f"{colour} {many}".strip()
    if noun == "thing" and lang.chance(0.4):
        many = many.replace("things", "objects")
    said = lang.ask("count", ns=many, p=place)
    number = NUMBERS[len(found)]
    things = f"{colour} {noun if len(found) == 1 else lang.plural(noun)}".strip()
    where_ = f" {spot.phrase}" if kind == "at" else ""
    focus = found[0].thing if len(found) == 1 else None
    return Answer(said, f"I see {number} {things}{where_}.", "count", {"count": [number]}, focus)


def colour_of(lang: Language, facts: list[Fact]) -> Answer:
    """What colour is the ball? Is the ball red?"""
    noun = _noun(lang, facts, 0.85)
    found = [f for f in facts if f.thing.noun == noun]
    if len(found) == 1 and lang.chance(0.45):
        real = found[0].thing.colour
        asked = real if lang.chance(0.5) else lang.pick(lang.world["colours"])
        said = lang.ask("is_colour", n=noun, c=asked)
        yes = "Yes" if asked == real else "No"
        slots = {"answer": [yes.lower()], "colour": [real]}
        return Answer(said, f"{yes}, the {noun} is {real}.", "is_colour", slots, found[0].thing)
    which, other = lang.pick(lang.world["colours"]), lang.pick(lang.world["colours"])
    if found:
        which = found[0].thing.colour
    if lang.chance(0.5):
        which, other = other, which
    said = lang.ask("colour", n=noun, c=which, d=other)
    if not found:
        return Answer(said, f"Sorry, I do not see {Thing(noun).a}.", "colour_absent",
                      {"object": [noun], "answer": ["do not see"]})  # fmt: skip
    colours = listing([f.thing.colour for f in found])
    text = (
        f"the {noun} is {colours}" if len(found) == 1 else f"the {lang.plural(noun)} are {colours}"
    )
    slots = {f"colour{i}": [f.thing.colour] for i, f in enumerate(found)}
    focus = found[0].thing if len(found) == 1 else None
    return Answer(said, f"Let me see, {text}.", "colour", slots, focus)


def what_is_coloured(lang: Language, facts: list[Fact]) -> Answer:
    """What is red here?"""
    colour = lang.pick(facts).thing.colour if facts and lang.chance(0.75) else "red"
    found = [f for f in facts if f.thing.colour == colour]
    said = lang.ask("coloured", c=colour)
    if not found:
        return Answer(said, f"I see nothing {colour}.", "coloured_none",
                      {"answer": ["nothing"], "colour": [colour]})  # fmt: skip
    slots = {f"object{i}": [f.thing.phrase] for i, f in enumerate(found)}
    focus = found[0].thing if len(found) == 1 else None
    return Answer(said, f"I see {listing([f.thing.the for f in found])}.", "coloured", slots, focus)


def describe(lang: Language, facts: list[Fact]) -> Answer:
    """What do you see?"""
    said = lang.ask("describe")
    if not facts:
        return Answer(said, "I see nothing here.", "describe_none", {"answer": ["nothing"]})
    parts = listing([f"{f.thing.the} {f.place.phrase}" for f in facts])
    slots = {f"object{i}": [f.thing.phrase] for i, f in enumerate(facts)}
    return Answer(said, f"I see {parts}.", "describe", slots)


QUESTIONS = (
    (where, 6),
    (what_at, 4),
    (exists, 4),
    (count, 3),
    (colour_of, 3),
    (anything_at, 1),
    (what_is_coloured, 1),
    (describe, 3),
)


def ask(lang: Language, facts: list[Fact]) -> Answer:
    """One question about the scene."""
    functions = [function for function, _ in QUESTIONS]
    weights = [weight for _, weight in QUESTIONS]
    return lang.rng.choices(functions, weights=weights)[0](lang, facts)
