"""What the chat template adds to a conversation: by hand, and as the engine's Jinja writes it."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice

import pytest

from training.creature_llm import chat, corpus
from training.creature_llm.evaluate import Creature
from training.creature_llm.retrieval import facts_of, note, scene

SCENE = (
    "The red block is on the table. The blue toy car is on the table. The blue block is in the box."
)


@pytest.fixture(scope="module")
def creature() -> Creature:
    """llama.cpp with the template of the sources, not the one in the file."""
    return Creature(template=chat.TEMPLATE)


def test_the_scene_is_written_as_a_list_with_its_number() -> None:
    assert scene(SCENE) == (
        " three the red block on the table, the blue toy car on the table"
        " and the blue block in the box"
    )
    assert scene(" Be brief. ") == "Be brief."


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("where is the red block", " one the red block on the table"),
        ("how many blocks", " two the red block on the table and the blue block in the box"),
        ("is there a block in the box", " one the blue block in the box"),
        ("is the toy car in the box", " one the blue toy car on the table"),
        ("what is on the table", " two the red block and the blue toy car"),
        ("what is under the table", " two the red block and the blue toy car"),
        ("what is blue", " two the blue toy car and the blue block"),
        ("hello", " zero"),
        ("what do you see", " zero"),
    ],
)
def test_the_facts_that_share_most_with_the_users_words_are_written(said: str, named: str) -> None:
    assert note(facts_of(SCENE), said) == named


def test_a_word_that_only_begins_like_a_noun_names_nothing() -> None:
    facts = facts_of("The red pen is on the table.")
    assert note(facts, "take the pencil") == " zero"
    assert note(facts, "take the pens") == " one the red pen on the table"


@pytest.mark.parametrize(
    "system",
    [
        SCENE,
        SCENE.removesuffix("."),
        SCENE.replace(". ", ".\n") + "\n",
        "The red cup is in the box. The red toy car is in the box. The red pen is in the box.",
        " ".join(f"The red thing{n} is on the shelf." for n in range(15)),
        "The ball is on the floor.",
        "Be brief.",
        "Nothing is here. Really",
        "You are Pip. The red cup is in the box.",
    ],
)
@pytest.mark.parametrize(
    "said", ["Hello.", "Where is the red block?", "what is on the table", "thing3 in the box"]
)
def test_the_engine_writes_any_scene_as_training_does(
    creature: Creature, system: str, said: str
) -> None:
    words = corpus.normal(said)
    dialogue = {"scene": system, "turns": [{"user": words, "spoken": None, "agent": "hi"}]}
    asked = chat.messages(dialogue, 0)
    asked[-1]["content"] = said
    assert creature.prompt(asked) == chat.prompt(dialogue, 0)


def test_the_engine_writes_whole_dialogues_as_training_saw_them(creature: Creature) -> None:
    for dialogue in map(asdict, islice(corpus.dialogues("retrieval"), 40)):
        last = len(dialogue["turns"]) - 1
        assert creature.prompt(chat.messages(dialogue, last)) == chat.prompt(dialogue, last)
