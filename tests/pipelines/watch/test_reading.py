"""What the watcher makes of words: phrases, slots, the classifier, the schema, the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pipelines.clock import NS_PER_S
from pipelines.errors import SpecError
from pipelines.spec import read_options
from pipelines.watch import schema
from pipelines.watch.ledger import CANCEL_WITHIN_S, Ledger
from pipelines.watch.options import WatchOptions
from pipelines.watch.reading.judge import WatchError, load_judge, shipped_judge
from pipelines.watch.reading.patterns import gerund
from pipelines.watch.reading.phrases import MAX_CHARACTERS, Phrase, RollingPhrases
from pipelines.watch.reading.reader import CANCEL, Heard, Reader
from pipelines.watch.reading.spot import spot
from pipelines.watch.reading.words import words

# phrases


def test_a_phrase_ends_with_its_punctuation_and_carries_the_time_of_its_last_word():
    stream = RollingPhrases()
    assert stream.feed(" All right", 1) == []
    assert stream.feed(", I will bring", 2) == []
    assert stream.feed(" it. And", 3) == [Phrase("All right, I will bring it.", 3)]
    assert stream.unseen and stream.last_ns == 3
    assert stream.feed(" then? Yes", 4) == [Phrase("And then?", 4)]
    assert stream.end() == [Phrase("Yes", 4)]
    assert not stream.unseen and stream.end() == []


def test_after_a_silence_a_phrase_is_looked_at_once_and_again_when_it_has_gone_on():
    stream = RollingPhrases()
    stream.feed(" I could", 1)
    assert stream.unseen and stream.look() == [Phrase("I could", 1, over=False)]
    assert not stream.unseen
    assert stream.feed(" help.", 2) == [Phrase("I could help.", 2)]


def test_punctuation_alone_is_no_phrase_and_a_number_is_not_cut_in_the_middle():
    stream = RollingPhrases()
    assert stream.feed("...", 1) == []
    assert stream.feed(" go 3.5 meters", 2) == []
    assert stream.end() == [Phrase("go 3.5 meters", 2)]


def test_a_stream_without_an_end_is_cut_so_that_it_does_not_grow_for_ever():
    stream = RollingPhrases()
    for index in range(200):
        assert stream.feed(f" word{index:03d}", index) == []
    (last,) = stream.end()
    assert len(last.text) <= MAX_CHARACTERS and last.text.endswith("word199")
    assert last.text.startswith("word")


# words and slots


def test_contractions_are_written_out_and_a_question_mark_is_a_word():
    assert " ".join(words("Okay, I'll do it — don’t you?")) == "okay i will do it do not you ?"


@pytest.mark.parametrize(
    ("verb", "ing"),
    [("put", "putting"), ("take", "taking"), ("lie", "lying"), ("bring", "bringing")],
)
def test_the_ing_form_is_spelled_right(verb, ing):
    assert gerund(verb) == ing


@pytest.mark.parametrize(
    ("text", "task", "slots"),
    [
        ("pick the tin up", "pick_up", {"object": "tin"}),
        ("carry the small tin to the cellar", "put", dict(object="small tin", relation="to",
                                                          place="cellar")),
        ("put a jug of milk on top of the stove", "put", dict(object="jug of milk", relation="on",
                                                              place="stove")),
        ("there is a jug on the floor take it", "pick_up", {"object": "jug"}),
        ("the jug should stand on the stove so put it there", "put",
         dict(object="jug", relation="on", place="stove")),
        ("walk over to our gate", "go_to", {"place": "gate"}),
        ("turn the kettle off", "switch_off", {"object": "kettle"}),
        ("give us a little wave", "gesture", {"object": "wave"}),
        ("come over here", "come", {}),
    ],
)  # fmt: skip
def test_the_slots_of_a_sentence_are_what_it_names(text, task, slots):
    assert [(h.task, h.slots) for h in Reader(None).read(text, "user")] == [(task, slots)]


def test_it_means_the_thing_of_the_phrase_before():
    reader = Reader(None)
    reader.read("Where is the tin?", "user")
    reader.read("grab the jug", "user")
    assert reader.read("now put it on the stove", "user") == [Heard("put", "jug", "on", "stove")]


def test_two_tasks_of_one_sentence_are_two_and_never_overlap():
    spotted = spot("take the jug and put it on the stove and then close the gate")
    assert [c.task for c in spotted.candidates] == ["pick_up", "put", "close"]
    assert all(a.end <= b.start for a, b in zip(spotted.candidates, spotted.candidates[1:],
                                                strict=False))  # fmt: skip


def test_never_mind_takes_back_what_its_own_phrase_asked_for_else_what_came_before():
    reader = Reader(None)
    assert reader.read("bring me the jug. No, never mind.", "user") == []
    assert reader.read("bring me the jug oh never mind", "user") == []
    assert reader.read("never mind", "user") == [Heard(CANCEL)]
    assert reader.read("never mind bring me the tin", "user") == [
        Heard(CANCEL),
        Heard("bring", "tin"),
    ]
    assert reader.read("i never mind helping", "user") == []


# the classifier


@pytest.mark.parametrize(
    ("who", "meant", "not_meant"),
    [
        ("user", "could you open the gate for me", "did you open the gate"),
        ("user", "now grab the jug", "she said grab the jug"),
        ("agent", "Okay, I will open the gate.", "Shall I open the gate?"),
        ("agent", "I'm putting the jug on the stove.", "I can put the jug on the stove."),
    ],
)
def test_the_same_words_are_a_task_where_they_are_meant_and_none_where_not(who, meant, not_meant):
    reader = Reader(shipped_judge())
    assert len(reader.read(meant, who)) == 1
    assert reader.read(not_meant, who) == []
    assert len(Reader(None).read(not_meant, who)) == 1  # the patterns alone fall for it


def test_weights_that_cannot_be_read_are_reported_in_a_sentence(tmp_path):
    with pytest.raises(WatchError, match=r"w\.json: the classifier's weights can't be read"):
        load_judge(tmp_path / "w.json")
    (tmp_path / "w.json").write_text('{"bias": 1}')
    with pytest.raises(WatchError, match="make them again with"):
        load_judge(tmp_path / "w.json")


# the schema

CALLS = [
    {"task": "come"},
    {"task": "come", "object": ""},
    {"task": "pick_up", "object": "red block"},
    {"task": "pick_up"},
    {"task": "pick_up", "object": 3},
    {"task": "pick_up", "object": "x" * 61},
    {"task": "put", "object": "jug", "relation": "on", "place": "stove"},
    {"task": "put", "object": "jug", "place": "stove"},
    {"task": "put", "object": "jug"},
    {"task": "put", "object": "jug", "relation": "above", "place": "stove"},
    {"task": "go_to", "place": "gate"},
    {"task": "go_to"},
    {"task": "fly"},
    {"task": "come", "speed": "fast"},
    {"object": "jug"},
    {},
    "come",
    None,
]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_our_check_agrees_with_a_full_implementation_of_json_schema(call):
    full = jsonschema.Draft202012Validator(dict(schema.schema()))
    assert (schema.wrong(call) is None) == full.is_valid(call)


def test_what_is_wrong_is_said_with_the_field():
    assert schema.wrong({"task": "put", "object": "jug"}) == "do_physical_task lacks place"
    assert schema.wrong({"task": "fly"}).startswith("task = 'fly' is none of: pick_up, bring")
    assert schema.wrong({"task": "come", "x": "y"}) == "do_physical_task has an unknown field: x"


def test_the_schema_is_valid_itself_and_a_keyword_that_we_do_not_check_is_refused():
    jsonschema.Draft202012Validator.check_schema(dict(schema.schema()))
    with pytest.raises(ValueError, match="'pattern' of the schema is not known"):
        schema.wrong("a", {"pattern": "b"})


def test_every_pattern_names_a_task_of_the_schema():
    from pipelines.watch.reading.patterns import TASKS

    assert {task for task, _ in TASKS} == set(schema.task_names())


def test_weights_and_schema_are_plain_files_of_the_package():
    folder = Path(schema.__file__).parent
    made = json.loads((folder / "reading" / "weights.json").read_text())
    assert made["made_by"].startswith("python -m training.intent_watcher.make --sentences")
    assert len(made["weights"]) < 2000


# the ledger

JUG, TIN = {"task": "bring", "object": "jug"}, {"task": "bring", "object": "tin"}


def test_the_same_task_within_the_time_is_the_same_call_and_each_mention_restarts_it():
    ledger = Ledger(repeat_s=8)
    assert ledger.offer("a", JUG, 0) is None
    assert ledger.offer("b", JUG, 8 * NS_PER_S) == "a"
    assert ledger.offer("c", JUG, 16 * NS_PER_S) == "a"
    assert ledger.offer("d", TIN, 16 * NS_PER_S) is None
    assert ledger.offer("e", JUG, 24 * NS_PER_S + 1) is None


def test_a_cancel_takes_back_the_last_call_then_the_one_before_and_it_can_be_asked_again():
    ledger = Ledger(repeat_s=8)
    ledger.offer("a", JUG, 0)
    ledger.offer("b", TIN, 1)
    assert [ledger.cancel(2) for _ in range(3)] == ["b", "a", None]
    assert ledger.offer("c", TIN, 3) is None


def test_one_call_can_be_withdrawn_by_its_id():
    ledger = Ledger(repeat_s=8)
    ledger.offer("a", JUG, 0)
    ledger.offer("b", TIN, 1)
    assert [ledger.withdraw("a"), ledger.withdraw("a")] == [True, False]
    assert ledger.cancel(2) == "b"


def test_a_cancel_that_comes_too_late_takes_nothing_back():
    ledger = Ledger(repeat_s=8)
    ledger.offer("a", JUG, 0)
    assert ledger.cancel(round(CANCEL_WITHIN_S * NS_PER_S) + 1) is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"gap_ms": 0}, "gap_ms = 0 must be from 1 to 60000 ms"),
        ({"repeat_s": -1}, "repeat_s = -1 must be from 0 to 600 s"),
        ({"plan_s": 16}, "plan_s = 16 must be from 0 to 15 s"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong, told):
    with pytest.raises(SpecError, match=told):
        read_options(WatchOptions, wrong, "mine")
