"""Small bots with known faults: each cause is found in the bot that has it, with what it cost, and
in no bot that has not.

Delays are the bots' own, exact in virtual time; Silero and smart-turn are the real models.
"""

from dataclasses import replace
from functools import cache

import pytest

from bench.causes import transports
from bench.causes.find import causes_of_run
from bench.causes.table import CAUSES
from bench.fixtures.library import Cue, Fixture, fixtures_root, load
from pipelines.spec import load_spec
from tests.bench.chains import virtual_call
from tests.bench.chains.inline_models import DyingProcess, InlineProcess
from tests.bench.chains.virtual_call import Called, call, call_preset, kitchen

BOTS = {
    "healthy",
    "plain",
    "stock_turns",
    "stop_first",
    "stop_last",
    "blocks",
    "filler_slow_llm",
    "slow_smart_turn",
    "slow_vad",
    "never_stops",
    "owns_turns",
    "cold_llm",
    "warm_llm",
    "loads_once",
    "loads_again",
}
"""What is called: bots of ``bots``, and two presets."""
PRESETS = {"loads_once": InlineProcess, "loads_again": DyingProcess}
"""cascade-embedded with models that live on, and with one that dies after each answer."""


def again(fixture: Fixture, cue: Cue, times: int = 1) -> Fixture:
    """The same sentence again, after the agent's onset or end."""
    (turn,) = fixture.turns
    return replace(fixture, name="again", turns=(turn, *[replace(turn, cue=cue)] * times))


@cache
def called(bot: str) -> Called:
    """One call of each bot, for all tests."""
    end = Cue("agent_end", 800)
    over = again(kitchen(), Cue("agent_onset", 600))
    stop = again(load(fixtures_root() / "cmd_stop.toml"), end)
    six = again(load(fixtures_root() / "greet_hello.toml"), end, times=5)
    fixtures = {
        "healthy": over,
        "plain": over,
        "stock_turns": stop,
        "cold_llm": six,
        "warm_llm": six,
    }
    if bot in PRESETS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(virtual_call, "InlineProcess", PRESETS[bot])
            found = call_preset(load_spec("cascade-embedded"), again(kitchen(), end))
    else:
        found = call(bot, fixtures.get(bot))
    assert (found.trial.status, found.trial.error) == ("ok", None)
    of_run = causes_of_run([found.trial], found.rows)
    return replace(found, causes=[*found.causes, *of_run])


def test_a_healthy_bot_lost_nothing_but_the_vads_silence():
    healthy = called("healthy")
    assert healthy.lost_ms(0) == healthy.lost_ms(1) == {"vad_stop_secs": 200.0}
    said_ms = healthy.since_end_ms("vad", "speech_stop")[-1]
    assert healthy.row("endpointing_delay", 1).value == pytest.approx(said_ms, abs=0.01)


def test_a_turn_that_smart_turn_calls_incomplete_lost_three_seconds():
    lost = called("stock_turns").lost_ms(0)
    assert lost["smart_turn_incomplete"] == pytest.approx(3000, abs=25)


def test_sentences_a_voice_of_one_piece_and_a_prompt_read_again_cost_what_the_bot_makes_them():
    first, second = called("stock_turns").lost_ms(0), called("stock_turns").lost_ms(1)
    assert first["sentence_aggregation"] == pytest.approx(7 * 50, abs=1)  # words, of 50 ms each
    assert first["whole_answer_at_once"] == pytest.approx(1000 * 1.5 / 2.0, abs=1)
    assert second["prompt_read_again"] == pytest.approx(300 * 100 / 200, abs=1)
    assert "prompt_read_again" not in first


def test_a_stop_that_is_proposed_before_its_transcript_lost_half_a_second_and_after_it_nothing():
    assert called("stop_first").lost_ms()["stop_before_transcript"] == pytest.approx(500, abs=1)
    row = next(r for r in called("stop_first").causes if r.cause == "stop_before_transcript")
    assert row.detail == "the transcript came 30 ms after the stop"
    assert "stop_before_transcript" not in called("stop_last").lost_ms()


def test_a_voice_at_another_rate_than_the_links_is_held_back_by_the_resampler():
    voice = called("stop_last")
    assert voice.lost_ms()["resampler"] == pytest.approx(60, abs=1)
    rates = [m.value for m in voice.marks if (m.stage, m.event) == ("tts", "rate")]
    assert rates == [22050.0]  # the transport's own chunks are no voice


def test_a_transcript_that_is_not_said_to_be_final_is_waited_for_until_the_p99():
    lost = called("blocks").lost_ms()
    assert lost["unfinalised_transcript"] == pytest.approx(300, abs=1)  # 0.5 s − stop_secs
    assert "silence_timer" not in lost


def test_a_processor_that_sleeps_on_the_loop_is_found_by_what_did_not_run():
    assert called("blocks").lost_ms()["blocked_loop"] == pytest.approx(400, abs=20)


def test_a_silence_timer_lost_its_length():
    assert called("plain").lost_ms()["silence_timer"] == pytest.approx(300, abs=0.1)


def test_the_vads_volume_gate_notices_an_interruption_late_and_without_it_in_time():
    row = next(r for r in called("plain").causes if r.cause == "vad_start_late")
    assert (row.turn, row.loses) == (1, "stop")
    assert 100 < row.lost_ms < 250
    (_, started) = called("healthy").times("vad", "speech_start")
    (_, spoken) = called("healthy").times("user", "speech_on")
    assert (started - spoken) / 1e6 < 250  # start_secs = 0.2


def test_a_filler_hides_the_time_from_it_to_the_answer():
    fillers = called("filler_slow_llm")
    row = next(r for r in fillers.causes if r.cause == "filler_counted")
    content_ms, first_ms = fillers.ms("time_to_content"), fillers.ms("voice_to_voice")
    assert content_ms is not None and first_ms is not None
    assert row.lost_ms == pytest.approx(content_ms - first_ms)
    assert row.loses == "figure"
    assert row.detail == "“let me check.”"


def test_an_end_of_turn_model_lost_the_time_that_it_took_for_its_verdict():
    assert called("slow_smart_turn").lost_ms()["end_of_turn_model"] == pytest.approx(180, abs=0.1)
    assert "end_of_turn_model" not in called("healthy").lost_ms()  # the same model, in no time


def test_a_turn_that_no_strategy_ends_lost_the_limit_for_all_of_them():
    assert called("never_stops").lost_ms() == {
        "turn_stop_timeout": pytest.approx(5000, abs=0.1),
        "vad_stop_secs": 200.0,
    }


def test_a_vad_slower_than_the_audio_shows_a_queue_that_is_behind_and_no_timer():
    behind = called("slow_vad")
    row = next(r for r in behind.causes if r.cause == "pipeline_behind")
    first, last = behind.since_end_ms("vad", "speech_stop")
    assert first > 600  # the VAD itself hears late
    assert row.detail == f"the VAD's stop came twice, {last - first:.0f} ms apart"
    assert row.lost_ms == pytest.approx(behind.since_end_ms("turn", "release")[-1] - first)
    assert row.lost_ms > last - first + 300  # the transcript, too, waits behind the audio
    assert "silence_timer" not in behind.lost_ms()


def test_a_recogniser_that_owns_the_turn_waits_for_no_vad_and_for_no_timer():
    owns = called("owns_turns")
    assert owns.lost_ms() == {}
    assert owns.ms("voice_to_voice") == pytest.approx(80 + 300, abs=25)  # chunks of 20 ms


def test_a_first_answer_that_pages_the_model_in_is_a_cold_model_unless_it_was_asked_before():
    row = next(r for r in called("cold_llm").causes if r.cause == "cold_model")
    assert row.turn == 0
    assert row.lost_ms == pytest.approx(1700)
    assert row.detail == "the first token after 2,000 ms, later 300"
    assert "cold_model" not in called("warm_llm").lost_ms()


def test_a_model_whose_process_died_is_loaded_while_the_user_waits():
    row = next(r for r in called("loads_again").causes if r.cause == "model_loaded_in_turn")
    assert row.turn == 1
    assert row.lost_ms == pytest.approx(1500)
    assert row.detail == "creature-3m"
    assert "model_loaded_in_turn" not in called("loads_once").lost_ms(1)


def test_each_cause_is_in_one_bot_at_least_and_not_in_another():
    found = {bot: {row.cause for row in called(bot).causes} for bot in BOTS}
    of_lines = {
        cause.name for cause in transports.ROWS
    }  # tests/bench/causes/test_transport_causes.py
    for cause in (cause for cause in CAUSES if cause.name not in of_lines):
        assert {cause.name in causes for causes in found.values()} == {True, False}, cause.name
