"""Labels survive being stored with a run."""

import json
from dataclasses import replace

import pytest

from bench.simulated.turns import TurnPlan, labels_of
from bench.store.expectation import Expectation
from bench.store.labels import FixtureLabels, TurnLabels, proposed_note
from pipelines.audio.onsets import Span


def test_labels_come_back_from_json_as_they_were() -> None:
    expect = Expectation(False, "hold", {"a": ("x", "y z")}, ("never this",))
    plain = labels_of("name", [TurnPlan(), TurnPlan(text="ö", expect=expect)])
    event = replace(plain.turns[1], pauses=(Span(3, 9), Span(12, 20)), event="side_talk")
    labels = FixtureLabels("name", (plain.turns[0], event), fillers=("let me check", "ö"))
    stored = json.loads(json.dumps(labels.to_dict()))
    assert FixtureLabels.from_dict("name", stored) == labels


@pytest.mark.parametrize("field", ["text", "u_on", "u_off", "samples", "rate_hz", "expect"])
def test_a_missing_field_is_named(field: str) -> None:
    table = labels_of("name", [TurnPlan()]).turns[0].to_dict()
    del table[field]
    with pytest.raises(ValueError, match=f"'{field}' is missing"):
        TurnLabels.from_dict(table)


def test_labels_without_turns_are_named() -> None:
    with pytest.raises(ValueError, match="fixture 'f': a list 'turns' is needed"):
        FixtureLabels.from_dict("f", {})


def test_labels_that_were_proposed_say_so_and_others_are_stored_as_before() -> None:
    known = labels_of("name", [TurnPlan()])
    assert list(known.to_dict()) == ["turns"]
    proposed = replace(known, proposed=True)
    stored = json.loads(json.dumps(proposed.to_dict()))
    assert stored["labels"] == "vad"
    assert FixtureLabels.from_dict("name", stored) == proposed


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["a"], "1 fixture (a)"),
        (["a", "b", "c"], "3 fixtures (a, b, c)"),
        (["a", "b", "c", "d", "e"], "5 fixtures (a, b, c and 2 more)"),
    ],
)
def test_the_note_on_proposed_labels_counts_and_names_the_fixtures(
    names: list[str], count: str
) -> None:
    assert proposed_note(names) == (
        f'labels proposed, not checked: {count}; check them, and write labels = "hand" in the TOML.'
    )
