"""When a turn begins, is probably over, goes on and is over, on sound whose answer is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipelines.cascade.endpointing.endpointer import Endpointer, EndpointOptions
from pipelines.cascade.endpointing.model import INPUTS, EndOfTurnModel
from pipelines.cascade.endpointing.words import BUCKETS, features, whole

CHUNK = 320  # 20 ms
LOUD = np.where(np.arange(CHUNK) % 80 < 40, 4000, -4000).astype(np.int16)
STILL = np.zeros(CHUNK, np.int16)


def by_silence() -> EndOfTurnModel:
    """Log-odds of 50 a second of silence, 0 at 200 ms."""
    matrix = np.zeros((len(INPUTS), 1), np.float32)
    matrix[INPUTS.index("silence_s")] = 50
    return EndOfTurnModel(
        words=np.zeros(BUCKETS, np.float32),
        mean=np.zeros(len(INPUTS), np.float32),
        scale=np.ones(len(INPUTS), np.float32),
        layers=((matrix, np.array([-10.0], np.float32)),),
    )


def listener(**options: float) -> Endpointer:
    return Endpointer(
        by_silence(),
        lambda window: 0.9 if np.abs(window).max() > 1000 else 0.05,
        EndpointOptions(**options),
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
    # p = 0.5 at 200 ms of silence; 2400 / 2700 = 0.89 is passed at 260 ms, with log-odds of 3.
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


def test_a_sound_without_words_ends_nothing() -> None:
    ends = listener()
    assert [what for _, what in hear(ends, (LOUD, 400), (STILL, 2000))] == ["begins"]


def test_the_longest_wait_ends_what_the_model_takes_for_unfinished() -> None:
    ends = listener(cut_off_cost_ms=1e12, longest_wait_ms=500)
    ends.words("close the")
    heard = list(hear(ends, (LOUD, 400), (STILL, 600)))
    assert heard[-1] == (900, "over")


@pytest.mark.parametrize(("said", "begins"), [("yeah right", False), ("stop", True), ("", False)])
def test_while_the_agent_speaks_a_word_interrupts_it_and_a_backchannel_does_not(
    said: str, begins: bool
) -> None:
    ends = listener()
    ends.agent_speaks = True
    ends.words(said)
    assert [what for _, what in hear(ends, (LOUD, 300))] == (["begins"] if begins else [])


def test_long_voice_interrupts_the_agent_though_no_word_was_understood() -> None:
    ends = listener()
    ends.agent_speaks = True
    assert list(hear(ends, (LOUD, 600))) == [(480, "begins")]


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
