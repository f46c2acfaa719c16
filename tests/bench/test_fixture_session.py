"""The continuous conversation: composed of other fixtures, on a schedule."""

from pathlib import Path

from bench.fixture_toml import dump
from bench.fixtures import load
from bench.trial import caller_plan
from fixtures.authoring import session
from pipelines.audio.onsets import audible_spans
from pipelines.spec import load_spec

FOLDER = Path(__file__).parents[2] / "fixtures"


def test_the_committed_file_is_what_its_script_makes():
    assert (FOLDER / "session_150s.toml").read_text(encoding="utf-8") == dump(
        session.session(FOLDER)
    )


def test_it_lasts_150_s_whatever_the_agent_does():
    turns = load(FOLDER / "session_150s.toml").turns
    assert {turn.cue.after for turn in turns[1:]} == {"previous_end"}
    length_s = sum(turn.duration_s + turn.cue.delay_ms / 1000 for turn in turns) + session.KEPT_S
    assert abs(length_s - 150.0) < 0.05


def test_to_a_babbler_the_user_speaks_on_a_schedule():
    fixture = load(FOLDER / "conv_references.toml")
    heard = caller_plan("t", load_spec("cascade-embedded"), fixture)
    babbled = caller_plan("t", load_spec("duplex-tiny"), fixture)
    assert {turn.after for turn in heard.turns} == {"start", "agent_end"}
    assert {turn.after for turn in babbled.turns} == {"start", "previous_end"}
    assert (heard.listens, babbled.listens) == (True, False)
    assert not any(turn.expects_answer for turn in babbled.turns)
    random_words = caller_plan("t", load_spec("cascade-whisper-llama-piper"), fixture)
    assert random_words.listens  # a cascade takes turns, whatever its weights


def test_the_user_speaks_as_fast_at_every_rate_of_a_microphone():
    fixture = load(FOLDER / "cmd_stop.toml")
    (at_16k,) = caller_plan("t", load_spec("cascade-embedded"), fixture).turns
    plan = caller_plan("t", load_spec("duplex-scripted-60ms"), fixture)
    (at_24k,) = plan.turns
    assert plan.in_rate_hz == 24_000
    assert len(at_24k.pcm) == round(len(at_16k.pcm) * 1.5)
    assert (at_24k.u_on, at_24k.u_off) == (at_16k.u_on * 3 // 2, at_16k.u_off * 3 // 2)
    (span,) = audible_spans(at_24k.pcm, 24_000)
    # The labels hold to the sample at 16 kHz; a filter rings for less than a millisecond.
    assert abs(span.start - at_24k.u_on) <= 24
    assert abs(span.end - at_24k.u_off) <= 24
