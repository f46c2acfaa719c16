"""The lab's corpus: sentences with the tasks that they mean, drawn from templates; seeded.

The creature's world (`training.creature_llm`) lends its things, places and ways of asking; what is
said without being meant (questions, the past, quotations, offers, refusals) is in speech.toml.
"""

from __future__ import annotations

import random
import re
import string
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.watch.reading.patterns import gerund
from pipelines.watch.reading.words import words
from pipelines.watch.score import read_sentences
from training.creature_llm.language import Language

HERE = Path(__file__).parent
LAB = HERE.parents[1] / "labs" / "lab5b_duplex"
HAND_WRITTEN, CORPUS = LAB / "sentences.tsv", LAB / "corpus.tsv"
LAB_SENTENCES, LAB_SEED = 6000, 11
MEANT_SHARE, TWO_SHARE, TALK_SHARE = 0.42, 0.06, 0.08
_TO_YOU = re.compile(r"\b(me|us|my)\b")
NOT_A_REQUEST = ("let us", "may i ask you to")
"""Frames of the creature's world that are left out: too near to what people say of themselves."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of the corpus."""

    who: str
    """user or agent."""
    text: str
    tasks: tuple[str, ...]
    """The tasks that it means, in their order."""
    frame: str
    """The template that it came of, without its words: for looking at errors."""


def table() -> dict[str, Any]:
    """The file speech.toml."""
    return tomllib.loads((HERE / "speech.toml").read_text(encoding="utf-8"))


class Speech:
    """Draws sentences; all randomness comes from ``rng``."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.table = table()
        self.language = Language(rng)
        rules = self.language.rules
        rules["frame"] = [f for f in rules["frame"] if f not in NOT_A_REQUEST]

    def draw(self) -> Sentence:
        """One sentence."""
        who = self.rng.choice(("user", "agent"))
        templates = self.table[who]
        dice = self.rng.random()
        if dice < TALK_SHARE:
            return self._make(who, self.rng.choice(self.table["talk"][who]), meant=False)
        if dice < TALK_SHARE + TWO_SHARE:
            return self._make(who, self.rng.choice(templates["meant_two"]), meant=True)
        if dice < TALK_SHARE + TWO_SHARE + MEANT_SHARE:
            return self._make(who, self.rng.choice(templates["meant"]), meant=True)
        return self._make(who, self.rng.choice(templates["not_meant"]), meant=False)

    def _make(self, who: str, template: str, *, meant: bool) -> Sentence:
        tasks: list[str] = []
        verbs: dict[str, str] = {}
        for slot in re.findall(r"\{(v|v2|ving|Ving)\}", template):
            task = self.rng.choice(list(self.table["tasks"]))
            phrase = self._phrase(self.rng.choice(self.table["tasks"][task]))
            if slot in ("ving", "Ving"):
                first, _, rest = phrase.partition(" ")
                phrase = f"{gerund(first)} {rest}".strip()
            if who == "agent":
                phrase = _TO_YOU.sub(lambda m: "your" if m[0] == "my" else "you", phrase)
            verbs[slot] = phrase.capitalize() if slot == "Ving" else phrase
            tasks.append(task)
        text = self._phrase(template, verbs)
        if who == "agent":
            text = re.sub(r"\s+([.,!?])", r"\1", text)
            text = text[0].upper() + text[1:]
        return Sentence(who, text, tuple(tasks) if meant else (), template)

    def _phrase(self, template: str, verbs: dict[str, str] | None = None) -> str:
        """A template with its slots filled; what fills a slot may itself have slots."""
        verbs = verbs or {}
        while True:
            template = self.language.fill(template)
            slots = [name for _, name, _, _ in string.Formatter().parse(template) if name]
            if not slots:
                return template
            filled = {slot: verbs.get(slot) or self._slot(slot) for slot in slots}
            template = template.format(**filled)

    def _slot(self, slot: str) -> str:
        language, world, talk = self.language, self.language.world, self.language.talk
        of: dict[str, Callable[[], str]] = {
            "o": lambda: language.say_thing(language.thing(0.5)),
            "p": lambda: language.say_place(language.place()),
            "room": lambda: str(language.pick(language.rooms)),
            "thing": lambda: str(language.pick(world["openable"])),
            "machine": lambda: str(
                language.pick([*talk["rules"]["machine"], "light", "lights", "lamp"])
            ),
            "who": lambda: str(language.pick([*world["people"], "me", "us"])),
            "name": lambda: str(language.pick(world["names"])).capitalize(),
            "noun": lambda: str(language.pick(world["objects"])),
            "num": lambda: str(language.pick(talk["rules"]["num"])),
        }
        if slot in of:
            return of[slot]()
        own = self.table["words"]
        return str(language.pick(own[slot] if slot in own else language.rules[slot]))


def sentences(count: int, seed: int, excluded: frozenset[str]) -> Iterator[Sentence]:
    """Different sentences, none of which is among ``excluded`` (as `normal` makes them)."""
    speech, seen = Speech(random.Random(seed)), set(excluded)
    made = 0
    while made < count:
        sentence = speech.draw()
        key = normal(sentence.text)
        if key and key not in seen:
            seen.add(key)
            made += 1
            yield sentence


def normal(text: str) -> str:
    """The form in which sentences are compared."""
    return " ".join(words(text))


def main() -> None:
    """Writes the lab's corpus, in the form of the hand-written sentences."""
    rows = read_sentences(HAND_WRITTEN)
    excluded = frozenset(normal(row.text) for row in rows)
    lines = [
        "# Drawn from templates: python -m training.intent_watcher.corpus",
        "who\tcalls\ttext",
        *(
            f"{s.who}\t{'; '.join(s.tasks) or '-'}\t{s.text}"
            for s in sentences(LAB_SENTENCES, LAB_SEED, excluded)
        ),
    ]
    CORPUS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{CORPUS}: {LAB_SENTENCES} sentences")


if __name__ == "__main__":
    main()
