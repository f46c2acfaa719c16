"""The model's words and their ids in its text stream; and the words that users can say."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping

from training.nano_duplex.world import HERE, tables

PAD, BOS, EOS, FIRST_WORD = 0, 1, 2, 3
"""Text ids: nothing in this frame, the beginning, the end of an utterance; then the words."""


@functools.cache
def words() -> tuple[str, ...]:
    """The model's closed vocabulary, in the order of its ids: the file vocabulary.txt."""
    return tuple((HERE / "vocabulary.txt").read_text(encoding="utf-8").split())


@functools.cache
def word_ids() -> Mapping[str, int]:
    """Word → text id."""
    return {word: i for i, word in enumerate(words(), FIRST_WORD)}


def possible_agent_words() -> list[str]:
    """Every word that an answer can hold, from the templates and tables; sorted."""
    table = tables()
    texts = [row["agent"] for row in table["say"] + table["follow"]]
    texts += [row["does"] for row in table["say"] if "does" in row] + table["chain"][0]["does"]
    texts += [*table["colours"], *table["objects"], *table["names"], *table["numbers"]]
    texts += [*table["units"], *table["openable"], *table["directions"], "on off a an and then"]
    for room, preps in table["places"].items():
        texts += [room, *preps]
    return sorted(set(re.sub(r"\{\w+\}", " ", " ".join(texts)).split()))


def possible_user_words() -> Iterator[str]:
    """Every word that a user can say, sorted: the labels of a word probe."""
    table = tables()
    texts = [
        text for row in table["say"] + table["follow"] + table["chain"] for text in row["user"]
    ]
    texts += [text for rule in table["rules"].values() for text in rule]
    texts += [*table["backchannels"]["say"], *possible_agent_words(), "from the one is"]
    for said in table["prepositions"].values():
        texts += said
    plain = re.sub(r"\{\w+\}|<\w+>|[()|]", " ", " ".join(texts))
    yield from sorted(set(plain.split()))
