"""What must not be kept is masked, or nothing of its utterance is kept."""

import pytest

from pipelines.errors import SpecError
from pipelines.server.memory.importance import importance
from pipelines.server.memory.unfit import load_filter, luhn

FILTER = load_filter()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        # 4111 1111 1111 1111 is a test number that every shop knows; one digit more is none.
        ("my card is 4111 1111 1111 1111 thanks", "my card is [card number] thanks"),
        ("it's 4111-1111-1111-1111.", "it's [card number]."),
        (
            "my card is four one one one one one one one one one one one one one one one okay",
            "my card is [card number] okay",
        ),
        (
            "card forty-one eleven double one eleven eleven eleven double one eleven",
            "card [card number]",
        ),
        ("write to ada.lovelace@example.org today", "write to [e-mail address] today"),
        ("write to ada at example dot org today", "write to [e-mail address] today"),
        ("call me at +44 117 496 0123", "call me at [phone number]"),
        ("call oh one one seven four nine six oh one two three", "call [phone number]"),
        ("the key is sk-abcdefghijklmnop1234", "the key is [key]"),
        ("my account is DE89 3704 0044 0532 0130 00", "my account is [account number]"),
        ("one two three go", "one two three go"),
        ("I was born in 1948 and have 2 cats.", "I was born in 1948 and have 2 cats."),
        ("the bread costs three fifty nine", "the bread costs three fifty nine"),
        ("I forgot my password", "I forgot my password"),
        ("my password is swordfish", None),
        ("The PIN for the door is four two four two", None),
        ("please don't remember this, but I hate my job", None),
        ("that's off the record", None),
        ("   ", None),
        ("two\nlines   here", "two lines here"),
    ],
)
def test_an_utterance_as_it_may_be_kept(said, kept):
    assert FILTER.fit(said) == kept


def test_a_card_number_has_a_checksum():
    assert luhn([int(c) for c in "4111111111111111"])
    assert not luhn([int(c) for c in "4111111111111112"])
    assert not luhn([])


def test_a_long_utterance_is_cut():
    assert len(FILTER.fit("word " * 1_000)) == 1_999


def test_rows_of_ones_own_come_first_and_replace_ours(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[unfit]]\nname = "project"\npattern = "\\\\bbluebird\\\\b"\n'
        '[[unfit]]\nname = "password"\npattern = "swordfish"\n'
    )
    ours = load_filter(own)
    assert ours.fit("Bluebird starts on Monday") == "[project] starts on Monday"
    assert ours.fit("my password is swordfish") == "my password is [password]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[unfit]]\nname = "x"\npattern = "("', "pattern of 'x'"),
        ('[[unfit]]\nname = "x"\npatern = "a"', "did you mean 'pattern'"),
        ("x = 1", "rows .* are needed"),
        ("[[", "own.toml"),
    ],
)
def test_a_wrong_row_is_one_sentence(tmp_path, text, why):
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(SpecError, match=why):
        load_filter(own)
    with pytest.raises(SpecError, match="can't be read"):
        load_filter(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("said", "at_least", "at_most"),
    [
        ("My name is Ada.", 0.9, 1),
        ("i'm allergic to peanuts", 0.8, 1),
        ("Please remember that the spare key is under the pot.", 0.9, 1),
        ("We go to the lake every August.", 0.7, 1),
        ("What's my name?", 0, 0.2),
        ("what is my name", 0, 0.2),
        ("Okay, thanks.", 0, 0.05),
        ("The train was packed this morning.", 0.4, 0.4),
        ("Turn down the music, I like it quiet.", 0, 0.3),
        ("I always put the key on the shelf.", 0.75, 0.75),
        ("", 0, 0.4),
    ],
)
def test_importance_is_that_of_the_kind_of_utterance(said, at_least, at_most):
    assert at_least <= importance(said) <= at_most
