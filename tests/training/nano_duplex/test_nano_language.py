"""The narrow world: seeded, clean of every test sentence, and right by the judge."""

from __future__ import annotations

import random
import zlib

import pytest

from bench.store.expectation import judge
from training.nano_duplex import language, vocabulary, world
from training.nano_duplex.language import Exchange, NanoLanguage


def drawn(seed: str, number: int, held_out: bool = False) -> list[Exchange]:
    """Exchanges of every sort."""
    nano = NanoLanguage(random.Random(seed), held_out)
    found: list[Exchange] = []
    for i in range(number):
        said = nano.interruption() if i % 5 == 0 else nano.exchange()
        found.append(said)
        if i % 2 and (follow := nano.follow_up(said)):
            found.append(follow)
    return found


@pytest.fixture(scope="module")
def some() -> list[Exchange]:
    return drawn("test", 4000)


def test_the_same_seed_says_the_same():
    assert drawn("a", 50) == drawn("a", 50)
    assert drawn("a", 50) != drawn("b", 50)


def test_every_answer_is_right_by_the_judge(some):
    for said in some:
        assert judge(said.expect, said.agent).right, said


def test_no_sentence_of_a_fixture_is_ever_said(some):
    fixtures = world.fixture_sentences()
    assert {"turn left", "follow me", "where is the red block"} <= fixtures
    assert not {said.user for said in some} & fixtures


def test_a_sentence_is_dropped_as_soon_as_a_fixture_says_it(monkeypatch):
    taken = drawn("a", 20)[7].user
    monkeypatch.setattr(language, "fixture_sentences", lambda: frozenset({taken}))
    assert taken not in {said.user for said in drawn("a", 200)}


def test_backchannels_may_be_trained_on_though_fixtures_hold_them():
    assert "uh huh" not in world.fixture_sentences()
    assert "right" in world.tables()["backchannels"]["say"]


def test_training_and_held_out_share_no_sentence(some):
    held = drawn("test", 300, held_out=True)
    assert not {said.user for said in held} & {said.user for said in some}
    assert all(world.is_held_out(said.user, said.agent) for said in held)


def test_a_sealed_sentence_is_said_where_it_is_asked_for_and_nowhere_else():
    sealed, others = (NanoLanguage(random.Random(5), True, sealed=s) for s in (True, False))
    one, two = ({d.exchange().user for _ in range(300)} for d in (sealed, others))
    assert not one & two
    assert all(world.is_sealed(user) for user in one)
    assert not any(world.is_sealed(user) for user in two)


def test_half_of_the_held_out_sentences_are_sealed():
    held = {said.user for said in drawn("any", 1500, held_out=True)}
    assert 0.4 < sum(map(world.is_sealed, held)) / len(held) < 0.6


def test_an_answer_with_two_things_is_held_out_by_itself_but_a_common_one_is_not():
    folds = world.FOLDS
    rooms = (f"i will put the {colour} pen on the bed" for colour in world.tables()["colours"])
    answers = [*rooms, "i will put the hat in the box", "i will put the key on the desk"]
    for answer in answers:
        chosen = zlib.crc32(f"answer: {answer}".encode()) % folds == 0
        user = next(f"{i}" for i in range(99) if zlib.crc32(f"{i}".encode()) % folds)
        assert world.is_held_out(user, answer) == chosen
        assert not world.is_held_out(user, "i will dance for you")


def test_the_vocabulary_is_what_answers_can_hold_and_at_most_400_words(some):
    assert list(vocabulary.words()) == vocabulary.possible_agent_words()
    assert len(vocabulary.words()) <= 400
    assert {word for said in some for word in said.agent.split()} <= set(vocabulary.words())


def test_the_word_of_the_first_line_has_the_id_3():
    assert vocabulary.word_ids()[vocabulary.words()[0]] == 3
    assert len(vocabulary.word_ids()) == len(vocabulary.words())


def test_every_word_of_a_user_is_in_the_list_for_probes(some):
    known = set(vocabulary.possible_user_words())
    assert {word for said in some for word in said.user.split()} <= known


def test_a_listing_is_answered_by_a_list():
    nano = NanoLanguage(random.Random(2))
    assert {nano.listing().expect.intent for _ in range(60)} == set(language.LISTS)
    held = NanoLanguage(random.Random(2), True, sealed=False)  # some intents have none there
    assert {held.listing().expect.intent for _ in range(60)} <= set(language.LISTS)


def test_a_repetition_is_answered_by_its_own_words_and_has_no_word_that_is_unknown():
    nano = NanoLanguage(random.Random(2))
    said = [nano.repetition() for _ in range(500)]
    assert len({one.agent for one in said}) > 450
    for one in said:
        assert one.user.endswith(one.agent) and one.user != one.agent
        assert judge(one.expect, one.agent).right
        assert set(one.agent.split()) <= set(vocabulary.words())
        assert set(one.user.split()) <= set(vocabulary.possible_user_words())


def test_a_murmur_is_a_backchannel_or_two():
    nano = NanoLanguage(random.Random(2))
    said = [nano.murmur() for _ in range(400)]
    known = set(world.tables()["backchannels"]["say"])
    twos = [m for m in said if m not in known]
    assert 40 < len(twos) < 80
    assert all(any(m == f"{a} {b}" for a in known for b in known) for m in twos)


def test_side_talk_gets_no_answer():
    said = NanoLanguage(random.Random(1)).side_talk()
    assert said.agent == "" and not said.expect.respond


def test_what_was_taken_back_must_not_be_in_the_answer(some):
    corrected = [said for said in some if said.expect.never]
    assert len(corrected) > 50
    for said in corrected:
        assert all(f" {word} " not in f" {said.agent} " for word in said.expect.never), said


def test_a_pause_is_open_where_the_sentence_cannot_be_over():
    opens, closed = world.pause_points("put the red block on the table now")
    assert opens == [1, 2, 3, 5, 6]
    assert closed == [4, 7]
