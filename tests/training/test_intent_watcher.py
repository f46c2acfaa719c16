"""The intent watcher's corpus, its test set written by hand, and what the shipped weights reach."""

from __future__ import annotations

import json

import pytest

from pipelines.watch.reading.judge import WEIGHTS, load_judge, shipped_judge
from pipelines.watch.reading.reader import CANCEL, Heard
from pipelines.watch.schema import task_names, wrong
from pipelines.watch.score import Labelled, read_sentences, score
from training.intent_watcher.corpus import CORPUS, HAND_WRITTEN, normal, sentences
from training.intent_watcher.make import SEED, train


@pytest.fixture(scope="module")
def hand_written():
    return read_sentences(HAND_WRITTEN)


def test_over_a_hundred_sentences_a_third_of_them_none_with_labels_that_the_schema_takes(
    hand_written,
):
    none = [row for row in hand_written if not row.heard]
    assert len(hand_written) >= 120 and len(none) >= len(hand_written) / 3
    assert {row.who for row in none} == {"user", "agent"}
    tasks = {h.task for row in hand_written for h in row.heard}
    assert tasks == {*task_names(), CANCEL}
    for row in hand_written:
        for heard in row.heard:
            if heard.task != CANCEL:
                assert wrong({"task": heard.task, **heard.slots}) is None, row.text


def test_the_corpus_is_seeded_differs_from_line_to_line_and_holds_nothing_that_is_excluded():
    first = list(sentences(300, 3, frozenset()))
    assert first == list(sentences(300, 3, frozenset()))
    assert len({normal(s.text) for s in first}) == 300
    excluded = frozenset(normal(s.text) for s in first[:50])
    again = {normal(s.text) for s in sentences(300, 3, excluded)}
    assert not again & excluded
    share = sum(bool(s.tasks) for s in first) / 300
    assert 0.35 < share < 0.6


def test_f1_is_counted_over_tasks_not_over_sentences():
    rows = [
        Labelled("user", "grab the jug and dance", (Heard("pick_up"), Heard("gesture", "dance"))),
        Labelled("user", "open the gate", ()),
        Labelled("user", "it is nice here", (Heard("come"),)),
    ]
    found = score(rows, None)
    assert (found.right, found.found, found.labelled, found.exact) == (2, 3, 3, 1)
    assert found.precision == found.recall == found.f1 == pytest.approx(2 / 3)
    assert found.slots_right == 1  # the jug was not labelled
    assert len(found.wrong) == 2


def test_the_shipped_weights_reach_f1_of_90_percent_and_the_patterns_alone_do_not(hand_written):
    assert score(hand_written, shipped_judge()).f1 >= 0.90
    assert score(hand_written, None).f1 < 0.90


def test_the_shipped_weights_name_the_defaults_that_make_them():
    assert f"--seed {SEED} " in json.loads(WEIGHTS.read_text())["made_by"]


def test_training_twice_with_one_seed_writes_the_same_file_and_learns_more_than_patterns(tmp_path):
    for name in ("a.json", "b.json"):
        train(2500, 7, 0.5, tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    held_out = [
        Labelled(s.who, s.text, tuple(Heard(task) for task in s.tasks))
        for s in sentences(400, 8, frozenset())
    ]
    small = load_judge(tmp_path / "a.json")
    assert score(held_out, small).f1 > score(held_out, None).f1 + 0.1


def test_the_labs_corpus_holds_none_of_the_sentences_written_by_hand(hand_written):
    corpus = read_sentences(CORPUS)
    assert len(corpus) == 6000
    assert not {normal(r.text) for r in corpus} & {normal(r.text) for r in hand_written}
