"""Makes the corpus: training and held-out dialogues, and sentences for the recogniser's LM.

Seeded: the same seed gives the same files. No fixture utterance and no free sentence gets in,
word for word; dialogues with held-out colour–noun pairs stand in their own test file.
"""

from __future__ import annotations

import argparse
import json
import random
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.store.words import words
from training.creature_llm.dialogue import Dialogue, draw
from training.creature_llm.language import HERE, Language, Thing, is_held_out, load_toml
from training.creature_llm.lessons import look_ups

ROOT = HERE.parents[1]
FLOOR_FILE = ROOT / "fixtures" / "authoring" / "floor.toml"
"""What is said for the sake of turn-taking; only the recogniser must not know it."""
EXCLUDED_FILES = (HERE / "free_sentences.toml", ROOT / "fixtures" / "authoring" / "script.toml")


def texts_in(node: Any) -> Iterator[str]:
    """Every string under a key ``text`` or ``user``, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("text", "user") and isinstance(value, str):
                yield value
            yield from texts_in(value)
    elif isinstance(node, list):
        for item in node:
            yield from texts_in(item)


def normal(text: str) -> str:
    """The form in which sentences are compared: lower-case words only."""
    return " ".join(words(text))


def excluded_sentences() -> frozenset[str]:
    """What the model is tested with, and must not have seen."""
    found: set[str] = set()
    for path in EXCLUDED_FILES:
        if path.exists():
            # The text to say, without the turns before it: those are quotations of the corpus.
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            if path.name == "free_sentences.toml":
                table = {"sentence": [{"text": s["text"]} for s in table["sentence"]]}
            found.update(normal(text) for text in texts_in(table))
    return frozenset(found)


def held_out_phrases() -> frozenset[str]:
    """Colour–noun pairs kept out of training."""
    world = load_toml("world.toml")
    things = (Thing(noun, colour) for noun in world["objects"] for colour in world["colours"])
    return frozenset(thing.phrase for thing in things if is_held_out(thing))


def holds_pair(dialogue: Dialogue, pairs: frozenset[str], scene: bool = True) -> bool:
    """True where the dialogue names a held-out pair."""
    text = " ".join(f"{turn.user} {turn.agent}" for turn in dialogue.turns)
    text = f" {normal(text + ' ' + dialogue.scene if scene else text)} "
    return any(f" {pair} " in text for pair in pairs)


def dialogues(
    seed: str, held_out: bool = False, lengths: Sequence[int] = tuple(range(1, 9))
) -> Iterator[Dialogue]:
    """Endless dialogues of one seed, without excluded sentences; ``lengths``: numbers of turns."""
    language = Language(random.Random(seed), held_out)
    yield from allowed(iter(lambda: draw(language, lengths=lengths), None), held_out)


def allowed(source: Iterator[Dialogue], held_out: bool = False) -> Iterator[Dialogue]:
    """Those without excluded sentences; with held-out pairs only, or with none."""
    excluded, pairs = excluded_sentences(), held_out_phrases()
    for dialogue in source:
        if any(normal(turn.user) in excluded for turn in dialogue.turns):
            continue
        if holds_pair(dialogue, pairs, scene=not held_out) == held_out:
            yield dialogue


def user_sentences(seed: str, number: int, dictionary: frozenset[str]) -> list[str]:
    """Unique user sentences without mishearings, every word in the recogniser's dictionary."""
    floor = texts_in(tomllib.loads(FLOOR_FILE.read_text(encoding="utf-8")))
    excluded, found = excluded_sentences() | {normal(text) for text in floor}, dict[str, None]()
    language = Language(random.Random(seed), held_out=True)
    while len(found) < 5 * number:  # enough to have met the rare words
        for turn in draw(language, misheard=0.0).turns:
            text = normal(turn.user)
            known = all(word in dictionary for word in text.split())
            if text and known and turn.intent != "unclear" and text not in excluded:
                found.setdefault(text)
    return sorted(_rare_first(list(found))[:number])


def _rare_first(sentences: list[str], often: int = 3) -> list[str]:
    """Sentences with a word seen fewer than ``often`` times first: no word is left out."""
    count: Counter[str] = Counter()
    first: list[str] = []
    rest: list[str] = []
    for text in sentences:
        rare = any(count[word] < often for word in text.split())
        count.update(text.split())
        (first if rare else rest).append(text)
    return first + rest


def read_dictionary() -> frozenset[str]:
    """The words that PocketSphinx can hear."""
    import pocketsphinx

    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    with path.open(encoding="utf-8") as file:
        return frozenset(line.split()[0] for line in file if line.strip())


def write(path: Path, source: Iterator[Dialogue], number: int, seen: set[str]) -> None:
    """Writes dialogues as JSON lines; none twice, none that ``seen`` holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = number
    if not number:
        return
    with path.open("w", encoding="utf-8") as file:
        for dialogue in source:
            line = json.dumps(asdict(dialogue), ensure_ascii=False)
            if line in seen:
                continue
            seen.add(line)
            file.write(line + "\n")
            left -= 1
            if left <= 0:
                return


def write_all(out: Path, seed: int, number: int, lessons: int, test: int = 500) -> None:
    """The corpus of one seed: two test files, dialogues and look-up lessons to train on.

    Dialogues to train on are long, so that a scene is read once for many answers.
    """
    seen: set[str] = set()
    write(out / "test.jsonl", dialogues(f"{seed}-test"), test, seen)
    write(out / "test_pairs.jsonl", dialogues(f"{seed}-pairs", True), test, seen)
    write(out / "train.jsonl", dialogues(f"{seed}-train", lengths=(6, 7, 8)), number, seen)
    write(out / "train_look_ups.jsonl", allowed(look_ups(f"{seed}-look-ups")), lessons, seen)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--dialogues", type=int, default=40_000)
    parser.add_argument("--look-ups", type=int, default=10_000, help="lessons on the scene")
    parser.add_argument("--test", type=int, default=500, help="held-out dialogues a file")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "creature")
    parser.add_argument("--user-sentences", type=Path, help="write only this file")
    args = parser.parse_args()
    if args.user_sentences:
        lines = user_sentences(f"{args.seed}-user", 6000, read_dictionary())
        args.user_sentences.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return
    write_all(args.out, args.seed, args.dialogues, args.look_ups, args.test)


if __name__ == "__main__":
    main()
