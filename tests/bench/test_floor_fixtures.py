"""The committed conversations about who has the floor: enough of them, and fit for the script."""

from pathlib import Path

import pytest

from bench.fixture_records import EVENTS
from bench.fixtures import Fixture, read_pcm, select
from bench.labels import FixtureLabels
from bench.run import labels_of
from pipelines.audio.onsets import audible_spans
from pipelines.duplex.script_mind import JOIN_MS
from pipelines.spec import load_spec

COMMITTED = Path(__file__).parents[2] / "fixtures"
FLOOR = select("floor", COMMITTED)
TURNS = [turn for fixture in FLOOR for turn in fixture.turns]
CORPUS = COMMITTED.parent / "pipelines/models/creature/user_sentences.txt"
SCRIPT = load_spec("duplex-scripted-yield").stages["script"]


def of(*events: str) -> list:
    return [turn for turn in TURNS if turn.event in events]


def test_there_are_enough_events_for_an_interval_of_each():
    assert len(of("interruption")) >= 20
    assert len(of("backchannel", "cough")) >= 20
    assert all(of(event) for event in EVENTS)
    hesitations = [turn for f in select("hes_*", COMMITTED) for turn in f.turns]
    assert sum(len(turn.pauses) for turn in [*TURNS, *hesitations]) >= 40


def test_events_come_over_the_agents_speech_and_only_interruptions_want_an_answer():
    for turn in of(*EVENTS):
        assert turn.cue.after == "agent_onset"
        assert turn.expect.respond == (turn.event == "interruption")


@pytest.mark.parametrize("fixture", FLOOR, ids=lambda f: f.name)
def test_its_labels_survive_the_run_file(fixture: Fixture):
    labels = labels_of(fixture)
    assert FixtureLabels.from_dict(fixture.name, labels.to_dict()) == labels


def first_sound_ms(turn) -> float:
    """How long the user is audible at first, as a scripted model hears it."""
    span = audible_spans(read_pcm(turn), turn.rate_hz, merge_gap_ms=JOIN_MS)[0]
    return (span.end - span.start) / 16


def test_what_must_stop_the_scripted_model_lasts_long_enough_and_nothing_else_does():
    # A frame may begin up to 80 ms after the user did.
    assert min(map(first_sound_ms, of("interruption", "side_talk"))) >= SCRIPT.yields_ms + 80
    sounds = [audible_spans(read_pcm(turn), 16_000) for turn in of("backchannel", "cough")]
    assert max((spans[-1].end - spans[0].start) / 16 for spans in sounds) < SCRIPT.yields_ms


def test_an_interruption_leaves_3_s_of_the_scripted_reply():
    # The phrase lasts 5.68 s (tests of the preset measure it).
    latest_ms = max(turn.cue.delay_ms + turn.u_on_sample / 16 for turn in of("interruption"))
    assert 5680 - latest_ms >= 3000


def test_no_sentence_of_theirs_is_in_the_recognisers_corpus():
    corpus = set(CORPUS.read_text(encoding="utf-8").splitlines())
    asked = {turn.text for turn in TURNS if turn.event in ("", "interruption")}
    assert asked and not asked & corpus
