"""The committed model itself: its sum, its answers, and how often it is right."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import asdict
from itertools import islice
from typing import Any

import pytest

from training.creature_llm import corpus
from training.creature_llm.evaluate import MODEL, Creature, exact, free_sentences, judged

FOLDER = MODEL.parent
MANIFEST: dict[str, Any] = tomllib.loads((FOLDER / "manifest.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def creature() -> Creature:
    return Creature(MODEL)


def ask(creature: Creature, *said: str) -> str:
    """The answer to the last; user and agent take turns, in the manifest's scene."""
    chat = [{"role": "system", "content": MANIFEST["system_prompt"]}]
    for number, text in enumerate(said):
        chat.append({"role": "assistant" if number % 2 else "user", "content": text})
    return creature.answer(chat)


def test_the_file_is_the_one_that_the_manifest_names() -> None:
    data = (FOLDER / MANIFEST["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == MANIFEST["sha256"]
    assert len(data) == MANIFEST["bytes"] <= 6_000_000
    assert MANIFEST["weights"] == "trained"
    assert MANIFEST["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("user", "agent"),
    [
        ("can you pick up the green block", "Okay, I will pick up the green block."),
        (
            "take the yellow ball and put it next to the window",
            "Okay, I will pick up the yellow ball and put it next to the window.",
        ),
        ("pick up the red no wait the green block", "Okay, I will pick up the green block."),
        ("can you tell me where the green cup is", "I see the green cup on the shelf."),
        ("would you close the drawer please", "Okay, I will close the drawer."),
        ("may i know your name", "My name is Pip."),
        ("please bake a cake for us", "Sorry, I cannot cook."),
    ],
)
def test_an_everyday_request_gets_its_exact_answer(
    creature: Creature, user: str, agent: str
) -> None:
    assert ask(creature, user) == agent


def test_it_refers_to_what_was_said_before(creature: Creature) -> None:
    first = "Okay, I will pick up the red block."
    said = ("please pick up the red block", first)
    assert ask(creature, *said, "put it on the shelf") == (
        "Okay, I will put the red block on the shelf."
    )
    assert ask(creature, *said, "no i meant the blue one") == (
        "Okay, I will pick up the blue block instead."
    )


def test_upper_case_and_marks_change_nothing(creature: Creature) -> None:
    bare = ask(creature, "hello can you open the door please")
    assert ask(creature, "Hello, can you open the door, please?") == bare
    assert bare == "Okay, I will open the door."


def test_no_special_token_is_ever_spoken(creature: Creature) -> None:
    answers = [ask(creature, text) for text in ("hello", "stop", "what do you see", "um")]
    assert all(answer and "<" not in answer and "|" not in answer for answer in answers)


def test_the_free_sentences_are_mostly_right(creature: Creature) -> None:
    score = judged(creature, free_sentences())
    assert score.share >= 0.80, score.line("free") + "\n" + "\n".join(score.failures)


def test_most_held_out_turns_are_answered_word_for_word(creature: Creature) -> None:
    # 96.1 % of all 2170 turns (MODEL_CARD.md); these are some of them.
    sample = [asdict(dialogue) for dialogue in islice(corpus.dialogues("7-test"), 50)]
    turns, _, _ = exact(creature, sample)
    assert turns.asked.total() >= 200
    assert turns.share >= 0.95, turns.line("held-out turns") + "\n" + "\n".join(turns.failures)
