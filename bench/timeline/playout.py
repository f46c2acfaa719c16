"""Underruns: silence inside the agent's speech that the agent did not mean.

A pause that the synthesiser rendered is samples like any other. An underrun is time between two
chunks of one reply in which nothing was queued.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bench.timeline.answers import REPLY_GAP_MS, Chunk, Sound
from bench.timeline.timeline import Timeline, Turn, llm_of
from pipelines.audio.onsets import MERGE_GAP_MS
from pipelines.clock import NS_PER_MS, samples_to_ns


def agent_speech_ns(timeline: Timeline) -> int:
    """Time that the agent was audible in all (sounds less than 200 ms apart are one)."""
    return sum(sound.end_ns - sound.start_ns for sound in timeline.sounds)


def underruns_ns(timeline: Timeline) -> list[int]:
    """The length of each underrun of a trial, in ns.

    Two chunks that follow each other belong to one reply if they are of one generation, fall to
    the same turn and were made by the same request to the language model. Where requests are not
    marked, less than `REPLY_GAP_MS` lie between the chunks of one reply. What lies before the
    reply's first audible sample or after its last one is no underrun: nobody notices it.

    What a duplex model says is one endless reply, in which silence is samples like any other: any
    time without samples is an underrun, however long, where speech led up to it and went on after
    it (within `MERGE_GAP_MS`, as everywhere).
    """
    if not timeline.sounds:  # of a trial that failed at its start, even the rate is unknown
        return []
    rate_hz = timeline.trial.rate_hz
    heard = [chunk for chunk in timeline.chunks if chunk.heard_ns is not None]
    heard.sort(key=lambda chunk: chunk.heard_ns or 0)
    if _is_stream(timeline):
        return _underruns_in_stream(heard, timeline.sounds, rate_hz)
    made = _made(timeline)
    gaps = []
    for before, after in pairwise(heard):
        if before.heard_ns is None or after.heard_ns is None:
            continue
        end_ns = before.heard_ns + samples_to_ns(before.heard_samples, rate_hz)
        # The ear's times are rounded to ns, the end of a chunk to half a sample.
        if after.heard_ns - end_ns <= samples_to_ns(1, rate_hz):
            continue
        gap_ns = after.heard_ns - end_ns
        of_one = _one_turn(before, after, timeline.turns) and _one_reply(
            _request_of(before, made), _request_of(after, made), gap_ns
        )
        if of_one and _inside_speech(end_ns, after.heard_ns, _sounds_of(before, timeline)):
            gaps.append(gap_ns)
    return gaps


def _is_stream(timeline: Timeline) -> bool:
    """True where the agent emits frames without end, as a duplex model does."""
    return bool(timeline.all("duplex", "frame_out"))


def _underruns_in_stream(
    heard: Sequence[Chunk], sounds: Sequence[Sound], rate_hz: int
) -> list[int]:
    """The underruns of an endless reply; ``heard`` and ``sounds`` by time."""
    begin_ns = np.array([chunk.heard_ns or 0 for chunk in heard], dtype=np.int64)
    length_ns = [samples_to_ns(chunk.heard_samples, rate_hz) for chunk in heard]
    end_ns = begin_ns + np.array(length_ns, dtype=np.int64)
    dry = np.flatnonzero(begin_ns[1:] - end_ns[:-1] > samples_to_ns(1, rate_hz))
    near_ns = round(MERGE_GAP_MS * NS_PER_MS)
    starts = [sound.start_ns for sound in sounds]
    ends = [sound.end_ns for sound in sounds]
    gaps = []
    for from_ns, to_ns in zip(end_ns[dry].tolist(), begin_ns[dry + 1].tolist(), strict=True):
        # The last sound that began before the hole, and the first that ended after it.
        before, after = bisect_left(starts, from_ns) - 1, bisect_right(ends, to_ns)
        if before < 0 or after == len(sounds):
            continue
        if ends[before] >= from_ns - near_ns and starts[after] <= to_ns + near_ns:
            gaps.append(to_ns - from_ns)
    return gaps


def _one_turn(before: Chunk, after: Chunk, turns: Sequence[Turn]) -> bool:
    same_turn = _turn_at(before, turns) == _turn_at(after, turns)
    return same_turn and before.generation == after.generation


def _one_reply(before: str, after: str, gap_ns: int) -> bool:
    if before and after:
        return before == after
    return gap_ns < REPLY_GAP_MS * NS_PER_MS


def _made(timeline: Timeline) -> list[tuple[int, str]]:
    """Times at which audio of each synthesiser's request began to come out, with its LLM
    request.
    """
    return [(m.t_ns, llm_of(m)) for m in timeline.all("tts", "first_byte")]


def _request_of(chunk: Chunk, made: Sequence[tuple[int, str]]) -> str:
    """The LLM request that a chunk speaks: that of the last audio made before; empty if unknown."""
    return next((llm for t_ns, llm in reversed(made) if t_ns <= chunk.write_ns), "")


def _turn_at(chunk: Chunk, turns: Sequence[Turn]) -> int:
    """The turn during which a chunk began to be heard: −1 before the first."""
    number = -1
    for turn in turns:
        if chunk.heard_ns is not None and turn.u_on_ns <= chunk.heard_ns:
            number = turn.number
    return number


def _sounds_of(chunk: Chunk, timeline: Timeline) -> list[Sound]:
    """Sounds of the agent in the turn to which a chunk falls."""
    number = _turn_at(chunk, timeline.turns)
    turn = timeline.turn(number)
    first = None if turn is None else turn.u_on_ns
    following = [t.u_on_ns for t in timeline.turns if t.number == number + 1]
    return [
        sound
        for sound in timeline.sounds
        if (first is None or sound.end_ns > first)
        and (not following or sound.start_ns < following[0])
    ]


def _inside_speech(start_ns: int, end_ns: int, sounds: Sequence[Sound]) -> bool:
    """True where there is audible speech before the gap and after it."""
    return any(s.start_ns < start_ns for s in sounds) and any(s.end_ns > end_ns for s in sounds)
