"""The scene as the model reads it: by hand, and as the engine's Jinja writes it."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Any

import pytest

from training.creature_llm import corpus
from training.creature_llm.chat import END, TEMPLATE, messages, pieces
from training.creature_llm.evaluate import MODEL
from training.creature_llm.rendering import rendered

TWO_BLOCKS = "The red block is on the table. The blue block is next to the door."


class Engine:
    """llama.cpp with the template of the source tree, not the one in the file."""

    def __init__(self) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(MODEL)
        params.n_ctx, params.n_parallel, params.warmup = 1024, 1, False
        params.chat_template, params.use_jinja = TEMPLATE, True
        self._server = xllamacpp.Server(params)

    def prompt(self, chat: list[dict[str, str]]) -> str:
        """What the template makes of a conversation."""
        answers: list[dict[str, Any]] = []
        request = {"messages": chat, "max_tokens": 1, "temperature": 0.0, "verbose": True}
        self._server.handle_chat_completions(request, lambda chunk: bool(answers.append(chunk)))
        return str(answers[0]["__verbose"]["prompt"])


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def test_every_fact_is_written_in_the_directions_that_questions_take() -> None:
    assert rendered(TWO_BLOCKS) == (
        " two. red block on the table. blue block next to the door"
        ", block two red blue"
        "; red block; blue block"
        ": on table red block: next to door blue block"
    )


def test_things_at_one_place_and_of_one_colour_stand_together() -> None:
    scene = "The red cup is in the box. The red toy car is in the box."
    assert rendered(scene) == (
        " two. red cup in the box. red toy car in the box"
        ", cup red, toy car red"
        "; red two cup toy car"
        ": in box two red cup red toy car"
    )


def test_text_without_facts_stays_as_it_is() -> None:
    assert rendered(" Be brief. ") == "Be brief."


@pytest.mark.parametrize(
    "scene",
    [
        TWO_BLOCKS,
        TWO_BLOCKS.replace(". ", ".\n") + "\n",
        TWO_BLOCKS.removesuffix("."),
        "The ball is on the floor.",
        "The red cup is in the box. The red toy car is in the box. The red pen is in the box.",
        " ".join(f"The red thing{n} is on the shelf." for n in range(15)),
        "Be brief.",
        "Nothing is here. Really",
    ],
)
def test_the_engine_writes_a_scene_as_training_does(engine: Engine, scene: str) -> None:
    chat = [{"role": "system", "content": scene}, {"role": "user", "content": "hello"}]
    assert engine.prompt(chat) == (
        f"<|system|>{rendered(scene)}{END}<|user|> hello{END}<|assistant|>"
    )


def test_the_engine_writes_whole_dialogues_as_training_does(engine: Engine) -> None:
    for dialogue in map(asdict, islice(corpus.dialogues("rendering"), 15)):
        last = dialogue["turns"][-1]
        if last["spoken"] is None:
            text = "".join(piece for piece, _ in pieces(dialogue))
            prompt = engine.prompt(messages(dialogue, len(dialogue["turns"]) - 1))
            assert f"{prompt}{last['agent']}{END}" == text
