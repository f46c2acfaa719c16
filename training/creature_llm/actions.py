"""Commands: how they are said, the phrase that the answer names, and what may be corrected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from training.creature_llm.language import Language, Place, Thing

Slot = Thing | Place | str
FURNITURE = ("sofa", "table", "chair", "bed", "desk", "door", "couch")


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do, with its slots."""

    intent: str
    does: str
    """Template of the phrase behind "I will"."""
    slots: dict[str, Slot] = field(default_factory=dict)

    @property
    def phrase(self) -> str:
        """What stands behind "I will" in the answer."""
        if not self.does:  # go_place: built from its place
            return f"go {shown(self.slots['p'])}"
        return one(self.does.format(**{name: shown(slot) for name, slot in self.slots.items()}))

    def with_slot(self, name: str, value: Slot) -> Command:
        """The same command with another slot, as a correction asks for."""
        return replace(self, slots={**self.slots, name: value})

    @property
    def thing(self) -> Thing | None:
        """What the command handles, if anything."""
        slot = self.slots.get("o")
        return slot if isinstance(slot, Thing) else None


def one(text: str) -> str:
    """Singular behind "one"."""
    return text.replace("one meters", "one meter").replace("one steps", "one step")


def shown(slot: Slot) -> str:
    """A slot as an answer names it."""
    if isinstance(slot, Thing):
        return slot.the
    return slot.phrase if isinstance(slot, Place) else slot


def expected(slots: dict[str, Slot]) -> dict[str, list[str]]:
    """What a right answer must name, for the judge."""
    out: dict[str, list[str]] = {}
    for name, slot in slots.items():
        wording = slot.phrase if isinstance(slot, Thing | Place) else slot
        out[name] = [wording]
    return out


class Actions:
    """Draws commands and says them."""

    def __init__(self, language: Language) -> None:
        self.lang = language
        self.table: list[dict[str, Any]] = language.world["action"]
        self.by_intent = {row["intent"]: row for row in self.table}
        self.verbs = [row for row in self.table if "say" in row]

    def value(self, name: str) -> Slot:
        """A random value for a slot."""
        lang, world = self.lang, self.lang.world
        if name == "o":
            return lang.thing()
        if name == "p":
            return lang.place()
        table = {
            "room": lang.rooms,
            "furniture": FURNITURE,
            "d": world["directions"],
            "n": world["numbers"],
            "thing": world["openable"],
            "who": world["people"],
        }
        return str(lang.pick(table[name]))

    def said(self, name: str, slot: Slot) -> str:
        """A slot as a person says it."""
        if isinstance(slot, Thing):
            return self.lang.say_thing(slot)
        return self.lang.say_place(slot) if isinstance(slot, Place) else slot

    def draw(self, row: dict[str, Any], whole: bool) -> tuple[Command, str]:
        """A command of this row, and a template to say it by."""
        lang = self.lang
        forms = row.get("whole", []) if whole and "whole" in row else row.get("say", [])
        template = lang.fill(lang.pick(forms or row["whole"]))
        does = row["does"]
        names = [n for n in ("o", "p", "room", "d", "n", "thing", "who") if f"{{{n}}}" in does]
        slots: dict[str, Slot] = {name: self.value(name) for name in names}
        if row["intent"] == "go_place":
            prep, room = template.split(" the ")[0].split(" ", 1)[1], lang.pick(FURNITURE)
            slots = {"p": Place(prep, room)}
        thing = slots.get("o")
        place = slots.get("p")
        if isinstance(thing, Thing) and isinstance(place, Place) and thing.noun == place.room:
            slots["p"] = Place("on", "table")
        if isinstance(thing, Thing) and slots.get("room") == thing.noun:
            slots["room"] = "kitchen"
        return Command(row["intent"], does, slots), template

    def render(self, command: Command, template: str, **override: str) -> str:
        """The template with the command's slots as a person says them."""
        slots = {name: self.said(name, slot) for name, slot in command.slots.items()}
        thing = command.thing
        if thing is not None:
            slots["same"] = f"the {thing.noun}"
        if command.intent == "go_place":
            place = command.slots["p"]
            slots["furniture"] = place.room if isinstance(place, Place) else ""
        for name in ("room", "o"):  # said by the user, left out of the answer
            if f"{{{name}}}" in template and name not in slots:
                slots[name] = self.said(name, self.value(name))
        slots.update(override)
        return one(template.format(**slots))

    def other(self, name: str, slot: Slot) -> Slot:
        """Another value for a slot, one that a person might confuse with it."""
        lang = self.lang
        while True:
            if isinstance(slot, Thing) and slot.colour and lang.chance(0.75):
                new: Slot = Thing(slot.noun, lang.pick(lang.world["colours"]))
            elif isinstance(slot, Place) and lang.chance(0.5):
                new = lang.place(0.0)
            else:
                new = self.value(name)
            if new != slot and not _shares(new, slot):
                return new

    def restart(self, command: Command, template: str) -> tuple[str, Slot] | None:
        """The command said with a slip that is taken back: text and the wrong slot."""
        lang = self.lang
        names = [n for n in command.slots if f"{{{n}}}" in template]
        if not names or command.intent == "go_place":
            return None
        name = lang.pick(names)
        right = command.slots[name]
        wrong = self.other(name, right)
        cue = lang.pick(lang.rules["cue"])
        said, slip = self.said(name, right), self.said(name, wrong)
        forms = [f"{slip} {cue} {said}"]
        if isinstance(right, Thing) and isinstance(wrong, Thing):
            if right.colour and wrong.colour:
                forms += [f"the {wrong.colour} {cue} the {right.phrase}"] * 2
                forms += [f"the {wrong.colour} {cue} {right.colour} {right.noun}"]
                if right.noun == wrong.noun:
                    forms += [f"{slip} {cue} the {right.colour} one"] * 2
                    forms += [f"{slip} {cue} not the {wrong.colour} one the {right.colour} one"]
            forms += [f"{slip} {cue} not the {wrong.noun} the {right.phrase}"]
        elif name in ("room", "d", "thing"):
            forms += [f"{slip} {cue} the {said}" if name != "d" else f"{slip} {cue} {said}"]
            if name != "d":
                forms += [f"{slip} {cue} not the {slip} the {said}"]
        once = self.render(command, template, **{name: f"\0{name}\0"})
        text = once.replace(f"\0{name}\0", lang.pick(forms), 1).replace(f"\0{name}\0", said)
        if lang.chance(0.25):  # the whole command starts again
            first = self.render(command.with_slot(name, wrong), template)
            text = f"{first} {cue} {self.render(command, template)}"
        return text, wrong


def _shares(a: Slot, b: Slot) -> bool:
    """True where a taken-back wording would still be part of the right one."""
    x = a.phrase if isinstance(a, Thing | Place) else a
    y = b.phrase if isinstance(b, Thing | Place) else b
    return x in y or y in x
