"""What came with a recorded call, as marks: words, and what a benchmark's scripts read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bench.fixtures.audio_file import Recorded, read_channel
from bench.fixtures.fixture import RATE_HZ
from bench.recorded.files import CallFiles, Labelled
from bench.recorded.speech_timestamps import speech_timestamps
from bench.recorded.words import GivenWord
from bench.timeline.full_duplex_bench.sample import OUTPUT
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_S
from pipelines.marks import Mark, stamp

BACKCHANNEL, V15 = "v1 backchannel", "v1.5 "
"""Task whose script looks at the agent's speech, and beginning of those that look at both's."""


def word_marks(words: Sequence[GivenWord], whose: str) -> Iterator[Mark]:
    """A mark for each word."""
    for word in words:
        yield stamp(
            "given",
            "word",
            t_ns=_ns(word.start_s),
            request_id=whose,
            value=word.end_s,
            text=word.text,
        )


def sample_marks(
    files: CallFiles, labelled: Labelled, agent_words: Sequence[GivenWord] | None
) -> Iterator[Mark]:
    """The marks of a sample: its task, its labels, and its speech as the scripts find it.

    The script of backchannels takes whatever rate ``output.wav`` has for 16 kHz and rounds to
    0.1 s; that of v1.5's timing resamples to 16 kHz.
    """
    count = None if agent_words is None else float(len(agent_words))
    yield stamp("given", "task", t_ns=0, value=count, text=labelled.task)
    for kind, start_s, end_s, _ in labelled.labels:
        yield stamp("given", "annotation", t_ns=_ns(start_s), value=end_s, text=kind)
    agent = read_channel(files.agent, None)
    length_s = len(agent.signal) / agent.rate_hz
    yield stamp("given", "annotation", t_ns=0, value=length_s, text=OUTPUT)
    if labelled.people:
        text = json.dumps(list(labelled.people))
        yield stamp("given", "distribution", t_ns=0, text=text)
    if labelled.task == BACKCHANNEL:
        last_s = len(agent.signal) / RATE_HZ
        for start, end in speech_timestamps(agent.signal):
            first_s, end_s = round(start / RATE_HZ, 1), min(round(end / RATE_HZ, 1), last_s)
            yield _stretch(first_s, end_s, "agent")
    if labelled.task.startswith(V15):
        for whose, side in (("user", read_channel(files.user, None)), ("agent", agent)):
            for start, end in speech_timestamps(_at_16_khz(side).signal):
                yield _stretch(start / RATE_HZ, end / RATE_HZ, whose)


def _at_16_khz(recorded: Recorded) -> Recorded:
    signal = resample(recorded.signal, recorded.rate_hz, RATE_HZ)
    return Recorded(signal, RATE_HZ, recorded.channels)


def _stretch(start_s: float, end_s: float, whose: str) -> Mark:
    return stamp("given", "stretch", t_ns=_ns(start_s), request_id=whose, value=end_s)


def _ns(s: float) -> int:
    return round(s * NS_PER_S)
