"""Cutting answers into pieces to speak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cascade.clauses import ClauseAggregator, ClauseSplitter


def split(text: str, step: int = 1) -> list[str]:
    splitter = ClauseSplitter()
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    done = [piece for part in pieces for piece in splitter.feed(part)]
    rest = splitter.flush()
    return [*done, rest] if rest else done


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Okay, I will bring the cup.", ["Okay,", "I will bring the cup."]),
        ("Yes! It is red, and round. Do you want it?", None),
        ("I see a ball", ["I see a ball"]),
        ("It costs 3.5 euros, or 1,000 cents.", ["It costs 3.5 euros,", "or 1,000 cents."]),
        ("At 12:30, then.", ["At 12:30,", "then."]),
        ("There are 7. I counted.", ["There are 7.", "I counted."]),
        ("Ask Dr. Who. He knows.", ["Ask Dr. Who.", "He knows."]),
        ("You and I. Good.", ["You and I.", "Good."]),
        ("Really?! No.", ["Really?", "! No."]),
        ("...", []),
        ("", []),
        ("  Sure ,  go.", ["Sure ,", "go."]),
    ],
)
def test_the_first_clause_goes_out_at_its_mark_then_sentences(
    text: str, pieces: list[str] | None
) -> None:
    wanted = pieces if pieces is not None else ["Yes!", "It is red, and round.", "Do you want it?"]
    assert split(text) == wanted


def test_the_first_clause_does_not_wait_for_what_follows() -> None:
    assert ClauseSplitter().feed("Okay,") == ["Okay,"]
    assert ClauseSplitter().feed("Room 7,") == []  # it may be 7,000


@given(st.text(alphabet="ab1 ,.!?A", max_size=40), st.integers(1, 9))
def test_tokens_boundaries_do_not_matter_and_no_letter_is_lost(text: str, step: int) -> None:
    pieces = split(text, step)
    assert pieces == split(text)
    said = [c for piece in pieces for c in piece if c.isalnum()]
    assert said == [c for c in text if c.isalnum()]
    assert all(any(c.isalnum() for c in piece) for piece in pieces)


async def test_an_interruption_forgets_what_was_held() -> None:
    aggregator = ClauseAggregator()
    assert [a.text async for a in aggregator.aggregate("Okay, I wi")] == ["Okay,"]
    assert aggregator.text.text == "I wi"
    await aggregator.handle_interruption()
    assert await aggregator.flush() is None
    assert [a.text async for a in aggregator.aggregate("No,")] == ["No,"]
