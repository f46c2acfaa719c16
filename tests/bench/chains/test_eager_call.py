"""The eager cascade in virtual time: real recogniser, language model and voice, no waiting."""

from __future__ import annotations

import pytest

from bench.fixtures.library import fixtures_root, load
from pipelines.clock import NS_PER_MS
from pipelines.spec import load_spec
from tests.bench.chains.virtual_call import Called, call_preset


def played(fixture: str) -> Called:
    return call_preset(
        load_spec("cascade-eager"), load(fixtures_root() / f"{fixture}.toml"), streams=True
    )


@pytest.fixture(scope="module")
def question() -> Called:
    return played("q_cup_on_shelf")


@pytest.fixture(scope="module")
def with_a_closure() -> Called:
    return played("q_where_key")


@pytest.fixture(scope="module")
def hesitant() -> Called:
    return played("hes_light_kitchen")


def test_an_answer_is_made_before_the_turn_is_over_and_heard_as_soon_as_it_is(
    question: Called,
) -> None:
    predicted, (released,) = (
        question.times("turn", "predicted")[-1],
        question.times("turn", "release"),
    )
    asked, first = question.times("llm", "request")[-1], question.times("tts", "ahead")[-1]
    assert predicted == asked == first < released, "models take no time here"
    heard = question.times("ear", "agent_onset")[0]
    assert 0 <= heard - released < 2 * NS_PER_MS
    assert question.ms("voice_to_voice") == pytest.approx(
        (heard - question.times("user", "speech_off")[0]) / NS_PER_MS, abs=5
    )


def test_the_answer_is_sooner_than_any_vad_of_200_ms_could_give_it(question: Called) -> None:
    assert question.ms("voice_to_voice") < 200


def test_work_that_was_done_ahead_is_in_no_stage_of_the_answer(question: Called) -> None:
    assert question.ms("endpointing_delay") == pytest.approx(question.ms("voice_to_voice"), abs=2.0)
    assert question.ms("tts_ttfa") == pytest.approx(0.0, abs=1.0)
    assert question.row("residual").value == pytest.approx(0.0, abs=2.0)


def test_the_call_is_over_though_the_first_piece_was_synthesised_before_it_was_asked_for(
    question: Called,
) -> None:
    assert question.trial.status == "ok"


def test_a_closed_consonant_wakes_the_language_model_and_the_user_never_hears_of_it(
    with_a_closure: Called,
) -> None:
    # "the black ‖ key": the recogniser's words and 60 ms of closure look like an end.
    assert len(with_a_closure.times("turn", "withdrawn")) == 1
    assert len(with_a_closure.times("tts", "cancelled")) == 1
    assert len(with_a_closure.times("ear", "agent_onset")) == 1


def test_each_prediction_that_was_withdrawn_left_nothing_to_be_heard(hesitant: Called) -> None:
    predicted, withdrawn = (hesitant.times("turn", e) for e in ("predicted", "withdrawn"))
    assert len(predicted) == len(withdrawn) + len(hesitant.times("turn", "release"))
    assert len(withdrawn) >= 1, "turn on the light … in the kitchen: a pause of 850 ms"
    (onset,) = hesitant.times("ear", "agent_onset")
    assert onset > hesitant.times("user", "speech_off")[0]
    assert hesitant.row("task_success").value == 100.0
