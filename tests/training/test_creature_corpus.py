"""The creature's corpus: seeded, clean of every test sentence, and right by the judge."""

from __future__ import annotations

from itertools import islice

import pytest

from bench.store.expectation import Expectation, judge
from training.creature_llm import corpus
from training.creature_llm.dialogue import Dialogue
from training.creature_llm.evaluate import free_messages, free_sentences
from training.creature_llm.language import load_toml

USER_SENTENCES = corpus.ROOT / "pipelines/models/creature/user_sentences.txt"


@pytest.fixture(scope="module")
def some() -> list[Dialogue]:
    return list(islice(corpus.dialogues("test"), 1500))


def test_the_same_seed_gives_the_same_dialogues() -> None:
    first = list(islice(corpus.dialogues("7-train"), 200))
    assert first == list(islice(corpus.dialogues("7-train"), 200))
    assert first != list(islice(corpus.dialogues("8-train"), 200))


def test_no_free_sentence_and_no_fixture_utterance_is_in_the_corpus(some: list[Dialogue]) -> None:
    excluded = corpus.excluded_sentences()
    assert len(excluded) >= 97  # the free sentences at least
    said = {corpus.normal(turn.user) for dialogue in some for turn in dialogue.turns}
    assert not said & excluded


def test_an_excluded_sentence_is_dropped_wherever_it_would_come_up(
    monkeypatch: pytest.MonkeyPatch, some: list[Dialogue]
) -> None:
    taken = corpus.normal(some[0].turns[0].user)
    monkeypatch.setattr(corpus, "excluded_sentences", lambda: frozenset({taken}))
    again = list(islice(corpus.dialogues("test"), 300))
    assert all(corpus.normal(turn.user) != taken for d in again for turn in d.turns)


def test_training_never_sees_a_held_out_pair_and_the_pair_test_always_does(
    some: list[Dialogue],
) -> None:
    pairs = corpus.held_out_phrases()
    assert 8 <= len(pairs) <= 24
    assert not any(corpus.holds_pair(dialogue, pairs) for dialogue in some)
    held_out = islice(corpus.dialogues("test", held_out=True), 100)
    assert all(corpus.holds_pair(dialogue, pairs, scene=False) for dialogue in held_out)


def test_every_answer_is_right_by_the_judge(some: list[Dialogue]) -> None:
    for dialogue in some:
        for turn in dialogue.turns:
            table = {"intent": turn.intent, "slots": turn.slots, "never": list(turn.never)}
            verdict = judge(Expectation.from_table(table), turn.agent)
            assert verdict.right, (turn, verdict)


def test_what_was_taken_back_is_not_in_the_answer(some: list[Dialogue]) -> None:
    corrections = [turn for d in some for turn in d.turns if turn.never]
    assert len(corrections) > 100
    for turn in corrections:
        assert not any(f" {word} " in f" {corpus.normal(turn.agent)} " for word in turn.never), turn


def test_a_refusal_says_that_it_cannot(some: list[Dialogue]) -> None:
    refusals = [turn for d in some for turn in d.turns if turn.intent == "refusal"]
    assert len(refusals) > 200
    assert all("cannot" in turn.agent and "I will" not in turn.agent for turn in refusals)


def test_every_intent_of_the_data_files_comes_up(some: list[Dialogue]) -> None:
    met = {turn.intent for d in some for turn in d.turns}
    wanted = {row["intent"] for row in load_toml("world.toml")["action"]}
    wanted |= {row["intent"] for row in load_toml("talk.toml")["talk"]}
    assert not wanted - met


def test_answers_are_spoken_sentences_of_moderate_length(some: list[Dialogue]) -> None:
    for dialogue in some:
        for turn in dialogue.turns:
            assert turn.agent[0].isupper() and turn.agent[-1] in ".?"
            assert len(turn.agent.split()) <= 75
            assert turn.user == corpus.normal(turn.user), "as a recogniser writes: bare words"


def test_the_free_sentences_are_well_formed_and_many() -> None:
    entries = free_sentences()
    assert len(entries) >= 70
    assert len({entry["text"] for entry in entries}) == len(entries)
    for entry in entries:
        Expectation.from_table(entry["expect"])
        assert free_messages(entry)[-1]["content"] == entry["text"]


def test_the_recognisers_sentences_are_unique_clean_and_in_its_dictionary() -> None:
    lines = USER_SENTENCES.read_text(encoding="utf-8").splitlines()
    assert 4000 <= len(lines) <= 6000
    assert len(set(lines)) == len(lines)
    assert not set(lines) & corpus.excluded_sentences()
    heard = {word for line in lines for word in line.split()}
    assert not heard - corpus.read_dictionary()
    world = load_toml("world.toml")
    assert set(world["colours"]) <= heard
    assert {word for noun in world["objects"] for word in noun.split()} <= heard
