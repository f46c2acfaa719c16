"""Every recogniser predicts the end of a turn by Pipecat's mixin: real loaders, random weights.

What random weights make of a question is nonsense; what is asked is that it is predicted, and then
committed, word for word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    Frame,
    InputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import SleepFrame, run_test

from bench.fixtures.library import fixtures_root, load, read_pcm
from pipelines.cascade.eager import EagerSTTService
from pipelines.cascade.endpointing.endpointer import EndpointOptions
from pipelines.engines.options import SttOptions
from pipelines.marks import MarkList
from tests.pipelines.local_engines import RATE_HZ, Start, made_here

CHUNK = RATE_HZ // 50
ANY = EndpointOptions(predict_from=0.0)
"""What nonsense is worth depends on the weights: any words are predicted to be all."""
RECOGNISERS: dict[str, dict[str, Any]] = {
    "faster-whisper": {"step_ms": 300, "forced_tokens_per_s": 4.0},
    "moonshine": {"step_ms": 300, "forced_tokens_per_s": 8.0},
    "kyutai-stt-onnx": {},
}
TOLD = (
    ProposedUserStartedSpeakingFrame,
    EagerTranscriptionFrame,
    EagerEndOfTurnCancelFrame,
    TranscriptionFrame,
    ProposedUserStoppedSpeakingFrame,
)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ), np.int16)


def question() -> np.ndarray:
    (turn,) = load(fixtures_root() / "q_cup_on_shelf.toml").turns
    return read_pcm(turn)[: turn.speech[-1].audible_end]


def spoken(parts: list[np.ndarray | Callable[[], bool]]) -> Iterator[Frame]:
    """Frames of 20 ms; where a condition stands, time goes by until it holds."""
    for part in parts:
        if callable(part):
            for _ in range(1000):
                if part():
                    break
                yield SleepFrame(0.03)
            yield SleepFrame(0.1)  # what follows from it is pushed
            continue
        for at in range(0, len(part) - CHUNK + 1, CHUNK):
            yield InputAudioRawFrame(part[at : at + CHUNK].tobytes(), RATE_HZ, 1)
            yield SleepFrame(0.0)


async def heard(
    start: Start,
    options: SttOptions,
    parts: Callable[[MarkList], list[Any]],
    ends: EndpointOptions = ANY,
) -> list[tuple[str, str]]:
    """(frame, text) of what the service told of the turn, in order."""
    marks = MarkList()
    service = EagerSTTService(await start(options), marks=marks, options=options, ends=ends)
    down, _ = await run_test(
        service,
        frames_to_send=spoken(parts(marks)),  # type: ignore[arg-type]
        pipeline_params=PipelineParams(audio_in_sample_rate=RATE_HZ),
        start_timeout=60.0,
    )
    return [(type(f).__name__, getattr(f, "text", "")) for f in down if isinstance(f, TOLD)]


def finals(marks: MarkList, n: int) -> Callable[[], bool]:
    return lambda: sum((m.stage, m.event) == ("stt", "final") for m in marks.marks) >= n


@pytest.mark.parametrize("engine", RECOGNISERS)
async def test_its_last_word_is_predicted_and_then_committed(engine: str, start: Start) -> None:
    options = SttOptions(engine=engine, model=str(made_here(engine)), **RECOGNISERS[engine])
    told = await heard(
        start,
        options,
        lambda marks: [silence(0.3), question(), silence(0.6), finals(marks, 1), silence(2.0)],
    )
    assert [name for name, _ in told] == [
        "ProposedUserStartedSpeakingFrame",
        "EagerTranscriptionFrame",
        "TranscriptionFrame",
        "ProposedUserStoppedSpeakingFrame",
    ]
    assert told[1][1] == told[2][1] != ""


async def test_a_prediction_of_a_user_who_goes_on_is_withdrawn_and_all_is_heard_again(
    start: Start,
) -> None:
    engine = "faster-whisper"
    options = SttOptions(engine=engine, model=str(made_here(engine)), **RECOGNISERS[engine])
    told = await heard(
        start,
        options,
        lambda marks: [
            silence(0.3), question(), silence(0.6), finals(marks, 1),
            question(), silence(0.6), finals(marks, 2), silence(2.0),
        ],
        EndpointOptions(predict_from=0.0, cut_off_cost_ms=1e9),
    )  # fmt: skip
    names = [name for name, _ in told]
    assert names[1:3] == ["EagerTranscriptionFrame", "EagerEndOfTurnCancelFrame"]
    assert names[-3:] == [
        "EagerTranscriptionFrame",
        "TranscriptionFrame",
        "ProposedUserStoppedSpeakingFrame",
    ]
    assert names.count("TranscriptionFrame") == 1
    # Random weights say as many words as there are seconds of sound: twice as many.
    assert len(told[-2][1].split()) > 1.5 * len(told[1][1].split())


async def test_a_recogniser_without_partials_is_asked_once_the_user_is_quiet(start: Start) -> None:
    engine = "moonshine"
    options = SttOptions(
        engine=engine, model=str(made_here(engine)), partials=False, forced_tokens_per_s=8.0
    )
    told = await heard(
        start,
        options,
        lambda marks: [silence(0.3), question(), silence(0.6), finals(marks, 1), silence(2.0)],
    )
    assert [name for name, _ in told][1:3] == ["EagerTranscriptionFrame", "TranscriptionFrame"]
