"""Shapes of bots that users of Pipecat build, one file each in ``bots``; see docs/own-agent.md.

A bot's delays are its own and exact in virtual time; Silero's stop is taken from its mark.
"""

import pytest

from bench.fixtures.library import fixtures_root, load
from bench.store.recording import AGENT
from pipelines.clock import NS_PER_MS
from tests.bench.chains.virtual_call import Called, call

RELEASE_MS = 300.0
"""From the VAD's stop to the turn's release, as the bots ask for it."""
EXACT_MS = 1.0
"""What the voice's first samples may add before they are audible."""


def released_ms(called: Called) -> float:
    """The turn's release, as the bots ask for it: what was heard counts from the user's end."""
    stop = called.since_end_ms("vad", "speech_stop")[-1]
    assert 200 < stop < 300
    return stop + RELEASE_MS


def near(ms: float):
    return pytest.approx(ms, abs=EXACT_MS)


PLAIN = {
    "two_voices": 300,
    "switched_models": 700,
    "writes_markdown": 300,
    "telephone": 300,
    "studio": 300,
    "token_by_token": 300,
    "wake_phrase_said": 300,
    "falls_over": 500 + 300,
    "speech_model": 400,
}
"""Bot → its delay from the turn's release to the first sound, which is the answer, ms."""


@pytest.mark.parametrize("bot", PLAIN)
def test_one_answer_is_heard_when_the_bot_gives_it(bot):
    called = call(bot)
    assert (called.trial.status, called.trial.error) == ("ok", None)
    heard_ms = near(released_ms(called) + PLAIN[bot])
    assert called.ms("voice_to_voice") == heard_ms
    assert called.ms("time_to_content") == heard_ms
    assert called.ms("answers_per_turn") == 1.0
    assert called.ms("task_success") == 100.0


def test_a_bots_resampler_is_not_said_to_cost_nothing():
    row = call("telephone").row("resample")
    assert (row.value, row.reason) == (
        None,
        "the bot's resampler is not marked: it lies between TTS and link",
    )


@pytest.mark.parametrize(("bot", "heard_s"), [("recording", 0.92), ("stereo", 1.0)])
def test_a_recording_answers_though_no_synthesiser_is_asked_and_no_model_takes_the_context(
    bot, heard_s
):
    """Of a recording at another rate, Pipecat keeps the end until more is said: 80 ms here."""
    called = call(bot)
    assert called.trial.status == "ok"
    assert called.ms("voice_to_voice") == near(released_ms(called) + 500)
    assert called.row("time_to_content").value is None
    assert "can't be told" in called.row("time_to_content").reason
    heard = called.recording[:, AGENT]
    assert sum(abs(heard) > 30) / called.trial.rate_hz == pytest.approx(heard_s, abs=0.02)


def test_a_sound_while_the_model_thinks_is_the_first_sound_and_not_the_content():
    called = call("thinking_sound")
    assert called.ms("voice_to_voice") == near(released_ms(called))
    assert called.row("voice_to_voice").reason is None
    assert called.ms("time_to_content") == near(released_ms(called) + 1000)


def test_an_answer_that_waits_behind_a_long_filler_counts_from_when_it_is_heard():
    called = call("long_filler")
    assert called.ms("voice_to_voice") == near(released_ms(called))
    sent = [m for m in called.marks if m.event == "context"]
    answer_ms = called.since_end_ms("link", "context")[-1]
    assert len(sent) == 2 and answer_ms > released_ms(called) + 4000
    assert called.ms("time_to_content") == pytest.approx(answer_ms + 40, abs=2)  # device buffer


def test_what_a_model_says_with_its_function_call_is_a_filler():
    called = call("text_and_call")
    said_ms = released_ms(called) + 300
    assert called.ms("voice_to_voice") == near(said_ms)
    assert called.ms("time_to_content") == near(said_ms + 2000 + 300)
    assert called.ms("answers_per_turn") == 2.0


def test_a_function_that_speaks_the_answer_itself_is_heard_as_the_answer():
    called = call("function_speaks")
    asked_ms = released_ms(called) + 300
    assert called.ms("voice_to_voice") == near(asked_ms)
    assert called.ms("time_to_content") == near(asked_ms + 1000)
    assert called.ms("task_success") == 100.0


def test_which_of_two_own_lines_is_the_answer_is_not_guessed():
    called = call("two_lines", wait_s=3.0)
    assert called.ms("voice_to_voice") == near(released_ms(called))
    row = called.row("time_to_content")
    assert row.value is None
    assert row.reason.startswith("the pipeline spoke several lines of its own")


@pytest.mark.parametrize(("bot", "more_ms"), [("two_answers", 1200), ("idle_prompt", 1000)])
def test_a_second_word_is_counted_and_is_not_the_answer(bot, more_ms):
    called = call(bot)
    heard_ms = near(released_ms(called) + 300)
    assert called.ms("voice_to_voice") == called.ms("time_to_content") == heard_ms
    assert called.ms("answers_per_turn") == 2.0
    first, second = called.since_end_ms("tts", "request")
    assert second - first > 1000 + more_ms


@pytest.mark.parametrize(("bot", "status"), [("farewell", "ok"), ("end_function", "hung_up")])
def test_a_goodbye_is_an_answer_whoever_ends_the_call(bot, status):
    called = call(bot)
    assert (called.trial.status, called.trial.error) == (status, None)
    delay_ms = {"farewell": 0, "end_function": 300}[bot]
    assert called.ms("voice_to_voice") == near(released_ms(called) + delay_ms)
    assert called.ms("time_to_content") == called.ms("voice_to_voice")


def test_a_bot_that_hears_nobody_until_it_has_greeted_is_greeted_by_first():
    called = call("muted_greeting", greets=True)
    assert called.ms("voice_to_voice") == near(released_ms(called) + 300)
    greeting, _ = called.times("tts", "request")
    assert called.times("user", "turn_start")[0] - greeting > 1500 * NS_PER_MS


def test_a_greeting_that_comes_after_the_caller_has_begun_is_a_doubt():
    row = call("late_greeting", greets=True).row("voice_to_voice")
    assert row.value is not None and not row.valid
    assert row.reason == (
        "it was asked for before the agent had heard the user's end: a greeting that came late?"
    )


@pytest.mark.parametrize("bot", ["wake_phrase", "says_nothing", "push_to_talk"])
def test_a_bot_that_does_not_answer_is_waited_for_and_null(bot):
    called = call(bot)
    assert called.trial.status == "no_answer"
    row = called.row("voice_to_voice")
    assert row.value is None
    assert row.reason.startswith("no answer")


def test_an_error_after_which_a_pipeline_goes_on_is_no_failure_once_it_has_answered():
    called = call("falls_over")
    assert called.trial.error is None
    assert [m.text for m in called.marks if m.event == "error"] == ["the first model is overloaded"]


def test_an_error_that_leaves_no_answer_fails_the_trial_with_its_words():
    called = call("raises")
    assert called.trial.status == "error"
    assert called.trial.error == "Error processing frame: no such customer"


def test_a_blocked_loop_is_measured_and_the_caller_stays_on_time():
    called = call("blocking_lookup")
    stop_ms = called.since_end_ms("vad", "speech_stop")[-1]
    assert called.trial.status == "ok"
    assert called.trial.mouth_late_ms_max == 0.0
    assert called.ms("voice_to_voice") == near(stop_ms + 400 + 300)
    assert called.row("loop_lag_max", -1).value == pytest.approx(400, abs=25)


def test_an_answer_that_follows_an_uninterrupted_reply_at_once_is_an_answer():
    called = call("no_interruptions", load(fixtures_root() / "barge_in_change.toml"))
    assert called.trial.status == "ok"
    sent_ms = called.since_end_ms("link", "context")[-1]
    row = called.row("voice_to_voice", 1)
    assert row.value == pytest.approx(sent_ms + 40, abs=2)  # the device buffer
    assert (row.valid, row.reason) == (True, None)
    assert called.ms("answers_per_turn", 1) == 1.0
    assert called.times("link", "clear") == []


def test_an_echo_is_not_told_from_speech():
    """A limit: what sounds after the user's end is an answer, whatever it says."""
    called = call("echo")
    assert called.trial.status == "ok"
    assert called.row("voice_to_voice").value is not None
