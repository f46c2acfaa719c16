"""Draws whole dialogues: what was said before decides what "it" or "no, the blue one" means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from training.creature_llm.actions import Actions, Command, Slot, expected
from training.creature_llm.language import Language, Place, Thing, listing
from training.creature_llm.noise import hesitate, mishear
from training.creature_llm.scene import Answer, Fact, ask, draw_scene, what_at, where


@dataclass(frozen=True, slots=True)
class Turn:
    """One user turn and its only right answer."""

    user: str
    agent: str
    intent: str
    slots: dict[str, list[str]] = field(default_factory=dict)
    """What the answer must name, for the judge."""
    never: tuple[str, ...] = ()
    """What was taken back."""
    spoken: str | None = None
    """What later turns see of the answer where the user interrupted it ("" = nothing)."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A scene and the turns spoken in it."""

    scene: str
    turns: tuple[Turn, ...]


class Speaker:
    """Draws the turns of one dialogue and keeps what they refer to."""

    def __init__(self, language: Language, misheard: float, fillers: float) -> None:
        self.lang = language
        self.actions = Actions(language)
        self.misheard = misheard
        self.fillers = fillers
        self.facts: list[Fact] = draw_scene(language)
        self.focus: Thing | None = None
        self.last: Command | None = None
        self.name = ""
        self.said = ""
        self.asked: Callable[..., Answer] | None = None
        self.pending: tuple[dict[str, Any], Thing | None] | None = None

    # --- wrapping -------------------------------------------------------------------------------

    def framed(self, phrase: str) -> str:
        """A verb phrase as an order or a polite request."""
        lang = self.lang
        first, _, rest = phrase.partition(" ")
        if first in lang.world["gerunds"] and lang.chance(0.04):
            return f"{lang.pick(lang.rules['mind'])} {lang.world['gerunds'][first]} {rest}"
        return f"{lang.pick(lang.rules['frame'])} {phrase}" if lang.chance(0.55) else phrase

    def wrapped(self, text: str, amount: float = 1.0) -> str:
        """With a greeting, a preamble or a tail that changes nothing."""
        lang, rules = self.lang, self.lang.rules
        if lang.chance(0.09 * amount):
            text = f"{lang.pick(rules['preamble'])} {text}"
        if lang.chance(0.10 * amount):
            text = f"{lang.pick(rules['vocative'])} {text}"
        elif lang.chance(0.05 * amount):
            text = f"{lang.pick(rules['greet'])} {text}"
        if lang.chance(0.12 * amount):
            text = f"{lang.pick(rules['hesitation'])} {text}"
        if lang.chance(0.14 * amount):
            text = f"{text} {lang.pick(rules['tail'])}"
        return text

    def heard(self, text: str) -> str:
        """With hesitations and mishearings."""
        if self.lang.chance(self.fillers):
            text = hesitate(self.lang, text)
        if self.misheard and self.lang.chance(0.45):
            text = mishear(self.lang, text, self.misheard)
        return text

    # --- commands -------------------------------------------------------------------------------

    def _done(
        self, user: str, command: Command, never: tuple[str, ...] = (), ending: str = ""
    ) -> Turn:
        self.last, self.focus = command, command.thing or self.focus
        self.asked = None
        agent = f"Okay, I will {command.phrase}{ending}."
        return Turn(user, agent, command.intent, expected(command.slots), never)

    def command(self) -> Turn:
        """One thing to do; with a slip taken back in some."""
        lang, row = self.lang, self.lang.weighted(self.actions.table)
        whole = lang.chance(0.3)
        command, template = self.actions.draw(row, whole)
        whole = (whole and "whole" in row) or "say" not in row
        never: tuple[str, ...] = ()
        slip = self.actions.restart(command, template) if lang.chance(0.2) else None
        if slip is not None:
            text, wrong = slip
            never = _taken_back(wrong, command)
        else:
            text = self.actions.render(command, template)
        return self._done(self.wrapped(text if whole else self.framed(text)), command, never)

    def sequence(self) -> Turn:
        """Two or three things to do in one breath."""
        lang, phrases = self.lang, []
        texts: list[str] = []
        slots: dict[str, list[str]] = {}
        first: Thing | None = None
        command: Command | None = None
        for number in range(2 if lang.chance(0.75) else 3):
            command, template = self.actions.draw(lang.weighted(self.actions.verbs), False)
            phrase, override = command.phrase, {}
            if number and first and command.thing and "{o}" in template and lang.chance(0.5):
                command = command.with_slot("o", first)
                phrase, override = (
                    with_it(command.phrase, first),
                    {"o": "it", "same": "it"},
                )
            elif command.thing:
                first = command.thing
            text = self.actions.render(command, template, **override)
            texts.append(text if not texts else f"{lang.pick(lang.rules['then'])} {text}")
            phrases.append(phrase)
            slots |= {f"{k}{number}": v for k, v in expected(command.slots).items()}
        user = self.wrapped(self.framed(" ".join(texts)))
        # What "again" or "no, the blue one" means is open now, so nothing refers back to it.
        self.last, self.focus, self.asked = None, first or self.focus, None
        return Turn(user, f"Okay, I will {listing(phrases)}.", "sequence", slots)

    def referring(self) -> Turn | None:
        """A command on what was spoken of: it, the blue one."""
        lang = self.lang
        if self.focus is None:
            return None
        rows = [r for r in self.actions.verbs if "{o}" in r["does"]]
        command, template = self.actions.draw(lang.weighted(rows), False)
        thing, said = self.focus, lang.pick(lang.followups["it"])
        if lang.chance(0.3) and thing.colour:
            thing = Thing(thing.noun, lang.pick(lang.world["colours"]))
            said = f"the {thing.colour} one"
        place = command.slots.get("p")
        if isinstance(place, Place) and place.room == thing.noun:
            command = command.with_slot("p", Place("on", "table"))
        command = command.with_slot("o", thing)
        text = self.actions.render(command, template, o=said, same="it")
        return self._done(self.wrapped(self.framed(text)), command)

    def correction(self) -> Turn | None:
        """The last command with another slot."""
        lang, last = self.lang, self.last
        if last is None or not last.slots or last.intent == "go_place":
            return None
        name = lang.pick(list(last.slots))
        old = last.slots[name]
        new = self.actions.other(name, old)
        command = last.with_slot(name, new)
        cue = lang.pick(lang.rules["cue"])
        if lang.chance(0.1):
            row = self.actions.by_intent[last.intent]
            template = lang.fill(lang.pick(row.get("say") or row["whole"]))
            text = f"{cue} {self.actions.render(command, template)}"
        elif isinstance(old, Thing) and isinstance(new, Thing):
            same = bool(old.noun == new.noun and old.colour and new.colour)
            table = "colour_correction" if same else "thing_correction"
            text = self._say(table, cue=cue, c=new.colour, k=old.colour, n=new.noun, m=old.noun,
                             o=lang.say_thing(new))  # fmt: skip
        elif isinstance(new, Place):
            text = self._say("place_correction", cue=cue, p=lang.say_place(new),
                             q=self.actions.said(name, old))  # fmt: skip
        else:
            table = {"d": "direction", "n": "number", "thing": "opened"}.get(name, "room")
            text = self._say(f"{table}_correction", cue=cue, r=str(new), q=str(old))
        text = lang.pick(["", "", "", "oh", "um", "hmm", "uh", "well"]) + " " + text
        return self._done(text.strip(), command, _taken_back(old, command), " instead")

    def other_one(self) -> Turn | None:
        """The last command with the scene's other thing of the same noun."""
        if self.last is None or self.last.thing is None or not self.last.thing.colour:
            return None
        thing = self.last.thing
        same = [f.thing for f in self.facts if f.thing.noun == thing.noun]
        if len(same) != 2 or thing not in same:
            return None
        new = same[1 - same.index(thing)]
        text = self._say("other_one", cue=self.lang.pick(self.lang.rules["cue"]), n=thing.noun)
        command = self.last.with_slot("o", new)
        return self._done(text, command, _taken_back(thing, command), " instead")

    def too(self) -> Turn | None:
        """The same with another thing."""
        if self.last is None or self.last.thing is None or not self.last.thing.colour:
            return None
        new = self.lang.thing(1.0)
        text = self._say("too", c="{c}", o=self.lang.say_thing(new))
        if "{c}" in text:
            new = Thing(self.last.thing.noun, new.colour)
            text = text.replace("{c}", new.colour)
        if new == self.last.thing:
            return None
        return self._done(text, self.last.with_slot("o", new), (), " too")

    def again(self) -> Turn | None:
        """The last command once more."""
        if self.last is None:
            return None
        return self._done(self._say("again"), self.last, (), " again")

    # --- questions and talk ---------------------------------------------------------------------

    def question(self) -> Turn:
        """About the scene; sometimes in short after another one."""
        if self.asked is not None and self.lang.chance(0.35):
            answer = self.asked(self.lang, self.facts, elliptic=True)
        else:
            answer = ask(self.lang, self.facts)
            answer = replace(answer, user=self.wrapped(answer.user, 0.7))
        self.asked = None
        if answer.intent.startswith("where"):
            self.asked = where
        elif answer.intent.startswith("what_at"):
            self.asked = what_at
        self.focus, self.last = answer.focus, None
        return Turn(answer.user, answer.agent, answer.intent, answer.slots)

    def talk(self) -> Turn:
        """Manners, itself, small talk."""
        row = self.lang.weighted(self.lang.talk["talk"])
        text = self.lang.fill(self.lang.pick(row["say"]))
        if self.lang.chance(0.12) and row["intent"] not in ("unclear", "ack"):
            rule = "hesitation" if self.lang.chance(0.5) else "vocative"
            text = f"{self.lang.pick(self.lang.rules[rule])} {text}"
        return Turn(text, row["answer"], row["intent"], row["slots"])

    def refusal(self) -> Turn:
        """What it cannot do."""
        lang = self.lang
        row = lang.pick(lang.talk["refusal"])
        whole = lang.chance(0.5)
        text = lang.fill(lang.pick(row["say" if whole else "vp"]))
        text = text.replace("{o}", lang.say_thing(lang.thing()))
        text = self.wrapped(text if whole else self.framed(text), 0.8)
        return Turn(text, row["answer"], "refusal", {"refusal": ["cannot"]})

    def unclear(self) -> Turn:
        """Words without sense."""
        words = [
            self.lang.pick(self.lang.talk["salad"]) for _ in range(3 + self.lang.rng.randrange(6))
        ]
        answer = "Sorry, I did not understand that."
        return Turn(" ".join(words), answer, "unclear", {"unclear": ["did not understand"]})

    def missing(self) -> Turn | None:
        """Too little said, or the slot that was asked for."""
        lang = self.lang
        if self.pending is not None and lang.chance(0.75):
            row, thing = self.pending
            self.pending = None
            value: Slot = self.actions.value(row["slot"])
            slots = {"o": thing, row["slot"]: value} if thing else {row["slot"]: value}
            command = Command(row["intent"], self.actions.by_intent[row["intent"]]["does"], slots)
            said = self.actions.said(row["slot"], value)
            said = f"{lang.pick(['the', 'to the'])} {said}" if row["slot"] == "room" else said
            said = f"the {said}" if row["slot"] == "thing" else said
            return self._done(f"{lang.pick(['', '', 'um', 'i said'])} {said}".strip(), command)
        row = lang.pick(lang.followups["missing"])
        text = lang.fill(lang.pick(row["say"]))
        if self.focus is not None and {"it", "that"} & set(text.split()):
            return None  # it is known what "it" means
        thing = lang.thing() if "{o}" in row["ask"] else None
        if thing:
            text = text.replace("{o}", lang.say_thing(thing))
        self.last, self.asked, self.focus = None, None, thing or self.focus
        self.pending = (row, thing) if row["slot"] != "none" else None
        answer = row["ask"].replace("{o}", thing.the if thing else "")
        return Turn(text, answer, "missing", {"object": [thing.phrase]} if thing else {})

    def tell_name(self) -> Turn:
        """The user says a name, or asks for it."""
        lang = self.lang
        if lang.chance(0.55):
            known = f"Your name is {self.name}."
            agent = known if self.name else "Sorry, I do not know your name yet."
            return Turn(self._say("recall_name"), agent, "recall_name",
                        {"name": [self.name.lower() or "do not know"]})  # fmt: skip
        name = lang.pick(lang.world["names"])
        self.name = name.capitalize()
        return Turn(self._say("tell_name", name=name), f"Nice to meet you, {self.name}.",
                    "tell_name", {"name": [name]})  # fmt: skip

    def recall_command(self) -> Turn | None:
        """What the user asked for."""
        if self.last is None:
            return None
        agent = f"You asked me to {self.last.phrase}."
        return Turn(self._say("recall_command"), agent, "recall_command", expected(self.last.slots))

    def repeat(self) -> Turn | None:
        """The last answer once more."""
        if not self.said:
            return None
        return Turn(self._say("repeat"), self.said, "repeat")

    def _say(self, table: str, **slots: str) -> str:
        template = self.lang.fill(self.lang.pick(self.lang.followups[table]))
        return template.format(**slots)


def with_it(phrase: str, thing: Thing) -> str:
    """The phrase with "it" for a thing just named."""
    phrase = phrase.replace(thing.the, "it")
    return phrase.replace("pick up it", "pick it up").replace("put down it", "put it down")


def _taken_back(old: Slot, command: Command) -> tuple[str, ...]:
    """What a right answer must not name any more; nothing that the right command itself holds."""
    wording = {Thing: lambda s: s.colour or s.noun, Place: lambda s: s.phrase}
    text = wording.get(type(old), str)(old)
    return () if text in command.phrase else (text,)


# Method name and weight; those that need a past turn return None until there is one.
FIRST = (
    ("command", 30), ("sequence", 7), ("question", 26), ("talk", 16), ("refusal", 17),
    ("unclear", 2), ("missing", 5), ("tell_name", 4),
)  # fmt: skip
LATER = (
    *FIRST, ("referring", 12), ("correction", 14), ("other_one", 6), ("too", 4), ("again", 3),
    ("recall_command", 3), ("repeat", 3), ("tell_name", 3), ("missing", 4), ("other_one", 6),
)  # fmt: skip


def draw(
    language: Language,
    misheard: float = 0.12,
    fillers: float = 0.12,
    lengths: Sequence[int] = tuple(range(1, 9)),
) -> Dialogue:
    """One dialogue of 1–8 turns, or of one of the given numbers of turns."""
    rng, speaker = language.rng, Speaker(language, misheard, fillers)
    turns: list[Turn] = []
    for _ in range(rng.choice(lengths)):
        turn: Turn | None = None
        while turn is None:
            table = LATER if turns else FIRST
            name = rng.choices([n for n, _ in table], weights=[w for _, w in table])[0]
            turn = getattr(speaker, name)()
        if name in ("talk", "refusal", "unclear", "missing", "tell_name", "repeat"):
            speaker.asked = None
        if name != "missing":
            speaker.pending = None
        turn = replace(turn, user=speaker.heard(turn.user))
        speaker.said = turn.agent
        if language.chance(0.05) and len(turn.agent.split()) > 3:  # the user talks over the answer
            words = turn.agent.split()
            turn = replace(turn, spoken=" ".join(words[: rng.randrange(len(words))]))
            speaker.said = ""
        turns.append(turn)
    scene = " ".join(fact.text for fact in speaker.facts)
    return Dialogue(scene, tuple(turns))
