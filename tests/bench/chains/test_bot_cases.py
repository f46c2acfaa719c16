"""Bots as people have them, whose right figures are known: each was once measured wrongly.

Delays are the bots' own, exact in virtual time; only Silero's stop is taken from its mark.
"""

import pytest

from tests.bench.chains.virtual_call import Called, call

TURN_MS = 300.0
"""From the VAD's stop to the turn's release, as the bots ask for it."""
VOICE_MS = 1.0
"""What the voice's first samples may add before they are audible; more is given where it is."""


def stop_ms(called: Called) -> float:
    """The VAD's stop of the user's turn."""
    stop = called.since_end_ms("vad", "speech_stop")[-1]
    assert 200 < stop < 300
    return stop


@pytest.mark.parametrize(
    ("bot", "greets", "llm_ms"),
    [
        ("filler_on_stop", False, 1000),
        ("filler_after_greeting", True, 1000),
        ("filler_slow_llm", True, 2000),
    ],
)
def test_a_filler_is_the_first_sound_and_the_models_answer_the_content(bot, greets, llm_ms):
    called = call(bot, greets=greets)
    stop = stop_ms(called)
    assert called.trial.status == "ok"
    assert called.ms("voice_to_voice") == pytest.approx(stop, abs=VOICE_MS)
    content_ms = stop + TURN_MS + llm_ms
    assert called.ms("time_to_content") == pytest.approx(content_ms, abs=VOICE_MS)
    assert called.row("voice_to_voice").reason is None
    assert called.ms("task_success") == 100.0  # judged by the answer, not by the filler
    # Until the filler was asked for, at the stop; the answer has stages of its own.
    assert called.ms("endpointing_delay") == pytest.approx(stop, abs=0.01)
    assert called.ms("content_endpointing_delay") == pytest.approx(stop + TURN_MS, abs=0.01)
    assert called.ms("content_llm_to_clause") == pytest.approx(llm_ms, abs=0.01)
    assert (called.ms("residual"), called.ms("content_residual")) == (0.0, 0.0)


@pytest.mark.parametrize(("bot", "tool_ms"), [("tool", 1500), ("tool_slow", 3000)])
def test_a_call_lasts_until_the_function_has_been_answered(bot, tool_ms):
    called = call(bot)
    asked = stop_ms(called) + TURN_MS
    assert called.trial.status == "ok"
    assert called.ms("voice_to_voice") == pytest.approx(asked + 300, abs=VOICE_MS)
    content_ms = asked + 300 + tool_ms + 300
    assert called.ms("time_to_content") == pytest.approx(content_ms, abs=VOICE_MS)
    assert called.ms("answers_per_turn") == 2.0
    assert called.ms("llm_to_clause") == pytest.approx(300, abs=0.01)  # it called the function
    assert called.ms("content_functions") == pytest.approx(300 + tool_ms, abs=0.01)
    assert called.ms("content_llm_to_clause") == pytest.approx(300, abs=0.01)
    assert called.ms("task_success") == 100.0
    assert called.since_end_ms("ear", "agent_end")[-1] > content_ms + 1000  # heard to its end


def test_an_agent_that_hangs_up_after_its_goodbye_has_ended_the_call_well():
    called = call("hangs_up")
    assert (called.trial.status, called.trial.error) == ("hung_up", None)
    heard_ms = stop_ms(called) + TURN_MS + 300 + 13  # the voice's own silence before "goodbye"
    assert called.ms("voice_to_voice") == pytest.approx(heard_ms, abs=VOICE_MS)
    assert called.trial.audio_s > 3.5  # the whole goodbye is in the recording


def test_the_answer_of_an_own_backend_counts_though_a_greeting_of_the_llm_came_before():
    called = call("own_backend", greets=True)
    assert called.trial.status == "ok"
    row = called.row("voice_to_voice")
    assert row.value == pytest.approx(stop_ms(called) + 500, abs=VOICE_MS)
    assert (row.valid, row.reason) == (True, None)  # the line that it speaks bears the turn's tag
    assert called.ms("task_success") == 100.0  # what a TTSSpeakFrame says is what was meant


def test_a_turn_that_its_language_model_completes_has_stages():
    called = call("turn_completion")
    released = stop_ms(called) + TURN_MS + 800
    assert called.ms("endpointing_delay") == pytest.approx(released, abs=0.01)
    assert called.ms("llm_ttft") == pytest.approx(800, abs=0.01)
    assert called.ms("voice_to_voice") == pytest.approx(released, abs=VOICE_MS)
    assert called.ms("residual") == pytest.approx(0, abs=0.01)
