"""What a voice has said before, and how much of it is kept."""

from pipelines.engines.tts.said import Piece, Said

LONG = [Piece(bytes(60), ["phones"]), Piece(bytes(40))]


def test_a_text_is_known_by_the_voice_that_said_it():
    said = Said()
    said.keep("ada", "hello", LONG)
    assert said.get("ada", "hello") == tuple(LONG)
    assert said.get("ben", "hello") == said.get("ada", "bye") == ()
    said.keep("ben", "hello", [])  # it came to nothing
    assert said.get("ben", "hello") == ()


def test_what_was_said_longest_ago_goes_first():
    said = Said(most_bytes=250)
    said.keep("ada", "one", LONG)
    said.keep("ada", "two", LONG)
    assert said.get("ada", "one")
    said.keep("ada", "three", LONG)
    assert [bool(said.get("ada", text)) for text in ("one", "two", "three")] == [True, False, True]
    said.keep("ada", "four", LONG * 3)  # too long to be kept at all
    assert not said.get("ada", "four") and said.get("ada", "one")
