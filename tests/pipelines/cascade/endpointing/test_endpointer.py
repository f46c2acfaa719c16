"""When a turn begins, is probably over, goes on and is over, on sound whose answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipelines.cascade.endpointing.endpointer import Endpointer, EndpointOptions
from pipelines.cascade.endpointing.model import INPUTS, EndOfTurnModel
from pipelines.cascade.endpointing.waiting import Pauses
from pipelines.cascade.endpointing.words import BUCKETS, features, whole

CHUNK = 320  # 20 ms
LOUD = np.where(np.arange(CHUNK) % 80 < 40, 4000, -4000).astype(np.int16)
STILL = np.zeros(CHUNK, np.int16)


def by_silence() -> EndOfTurnModel:
    """Log-odds of 50 a second of silence, 0 at 200 ms; all pauses last half a second."""
    matrix = np.zeros((len(INPUTS), 1), np.float32)
    matrix[INPUTS.index("silence_s")] = 50
    return EndOfTurnModel(
        words=np.zeros(BUCKETS, np.float32),
        mean=np.zeros(len(INPUTS), np.float32),
        scale=np.ones(len(INPUTS), np.float32),
        layers=((matrix, np.array([-10.0], np.float32)),),
        pauses=Pauses(0.5, 1e-3),
    )


def listener(**options: Any) -> Endpointer:
    return Endpointer(
        by_silence(),
        lambda window: 0.9 if np.abs(window).max() > 1000 else 0.05,
        EndpointOptions(**({"cut_off_cost_ms": 2700.0, "longest_wait_ms": 900.0} | options)),
    )


def hear(ends: Endpointer, *parts: tuple[np.ndarray, int]) -> Iterator[tuple[int, str]]:
    """(ms since the call's start, what happened) of each event."""
    at_ms = 0
    for chunk, ms in parts:
        for _ in range(ms // 20):
            at_ms += 20
            if happened := ends.feed(chunk):
                yield at_ms, happened


def test_a_turn_begins_with_96_ms_of_voice_and_ends_when_it_is_probable_enough() -> None:
    ends = listener()
    ends.words("close the door")
    # p = 0.5 at 200 ms of silence. At 240 ms it is 0.88: 0.12 · 2.7 s are more than 0.88 · 0.27 s,
    # at 260 ms 0.95: 0.05 · 2.7 s are less than 0.95 · 0.25 s.
    assert list(hear(ends, (LOUD, 400), (STILL, 300))) == [
        (100, "begins"),
        (600, "predicted"),
        (660, "over"),
    ]


def test_a_user_who_goes_on_withdraws_the_prediction_and_is_predicted_anew() -> None:
    ends = listener()
    ends.words("close")
    heard = list(hear(ends, (LOUD, 400), (STILL, 220), (LOUD, 200), (STILL, 220)))
    assert [what for _, what in heard] == ["begins", "predicted", "goes_on", "predicted"]
    assert heard[1][0] == 600
    assert 620 < heard[2][0] <= 680, "the detector needs one window of 32 ms"


def test_a_sound_without_words_has_the_recogniser_asked_once_and_ends_nothing() -> None:
    ends = listener()
    # Asked at 300 ms of silence: many a recogniser knows a short word only then.
    assert list(hear(ends, (LOUD, 400), (STILL, 2000))) == [(100, "begins"), (700, "predicted")]


def test_a_last_word_that_was_asked_for_ends_the_turn() -> None:
    ends = listener()
    assert [what for _, what in hear(ends, (LOUD, 400), (STILL, 400))] == ["begins", "predicted"]
    ends.words("stop", final=True)
    assert list(hear(ends, (STILL, 100))) == [(20, "over")]


def test_the_longest_wait_ends_what_the_model_takes_for_unfinished() -> None:
    ends = listener(cut_off_cost_ms=1e12, longest_wait_ms=500)
    ends.words("close the")
    heard = list(hear(ends, (LOUD, 400), (STILL, 600)))
    assert heard[-1] == (900, "over")


def spoken_into(said: str, ms: int, **options: float) -> list[tuple[int, str]]:
    """Events of a user who is loud for ``ms`` while the agent speaks, and then silent."""
    ends = listener(**options)
    ends.agent_speaks = True
    ends.words(said)
    return [(at, what) for at, what in hear(ends, (LOUD, ms), (STILL, 400)) if at <= ms + 400]


def test_the_agent_falls_silent_at_once_and_goes_on_after_a_backchannel() -> None:
    # Held when 96 ms of voice are heard; let go on when 160 ms of silence are, in windows of 32.
    assert spoken_into("", 320) == [(100, "hold"), (480, "resume")]


@pytest.mark.parametrize("said", ["yeah right", "fry a", ""])
def test_a_short_sound_of_few_words_is_a_backchannel_whatever_was_understood(said: str) -> None:
    assert [what for _, what in spoken_into(said, 400)] == ["hold", "resume"]


def test_a_word_that_asks_for_silence_interrupts_though_it_is_short() -> None:
    assert spoken_into("stop", 300)[0][1] == "begins"


def test_three_words_are_an_interruption_though_they_were_short() -> None:
    assert [what for _, what in spoken_into("to the kitchen", 320)][:2] == ["hold", "begins"]


def test_voice_that_outlasts_a_backchannel_interrupts_though_no_word_was_understood() -> None:
    assert spoken_into("", 800)[:2] == [(100, "hold"), (620, "begins")]


def test_voice_of_the_turn_before_is_no_part_of_an_interruption() -> None:
    ends = listener()
    list(hear(ends, (LOUD, 800), (STILL, 100)))
    ends.forget()
    ends.agent_speaks = True
    assert list(hear(ends, (STILL, 400))) == []


def test_without_holding_the_agent_speaks_until_it_is_interrupted() -> None:
    assert spoken_into("", 400, hold_ms=0) == []
    assert spoken_into("", 800, hold_ms=0)[0] == (620, "begins")


def test_an_agent_that_ends_its_answer_meanwhile_lets_go_and_the_turn_begins() -> None:
    ends = listener()
    ends.agent_speaks = True
    assert list(hear(ends, (LOUD, 200))) == [(100, "hold")]
    ends.agent_speaks = False
    assert [what for _, what in hear(ends, (LOUD, 40))] == ["begins"]


def test_what_was_said_before_counts_no_more_once_it_is_forgotten() -> None:
    ends = listener()
    ends.words("close the door")
    list(hear(ends, (LOUD, 400), (STILL, 300)))
    ends.forget()
    assert list(hear(ends, (STILL, 400))) == []
    assert ends.silence_ms == 0.0


def test_a_words_score_is_the_sum_of_its_features_weights() -> None:
    weights = np.zeros(BUCKETS, np.float32)
    found = list(features("close the door"))
    weights[found[0]] += 2.0
    weights[found[1]] += 0.5
    assert whole("close the door", weights) == 2.5 * 1 + sum(weights[at] for at in found[2:])


def test_case_and_marks_make_no_difference() -> None:
    assert list(features("Turn on the light.")) == list(features("turn on the light"))
    assert list(features("mm-hm, yes ...")) == list(features("mm-hm yes"))


def test_texts_that_differ_in_their_last_word_differ_in_their_features() -> None:
    assert set(features("put it on the")) != set(features("put it on the table"))
