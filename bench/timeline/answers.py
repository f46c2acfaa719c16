"""Which sound of the agent answers a turn of the user, and which only began too early.

The recording says when the agent was audible, but not why. A clear (an interruption) shows that
what was heard before it was taken back, and the marks of the speech synthesiser show for which turn
a sound was made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.clock import NS_PER_MS, samples_to_ns

REPLY_GAP_MS = 800
"""Silence of the agent after which a new sound is a new reply, ms."""

UNTRACED = "the sound can't be traced to a request of this turn"
CONTRADICTED = "by its tag the sound was made for an earlier turn"
TOO_SOON = "it was asked for before the agent had heard the user's end: a greeting that came late?"


DOUBTS: dict[bool | None, str | None] = {True: None, False: CONTRADICTED, None: UNTRACED}
"""True if the tags say that a sound is of the turn (None: they don't say) → the doubt."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of the agent's audio, from its writing to its hearing."""

    chunk_id: str
    """``g<generation>:<seq>``."""
    write_ns: int
    """Time at which the agent's end of the link stamped and sent it."""
    index: int
    """Index of its first sample in the agent's stream."""
    received_ns: int
    """Time at which the caller received it."""
    samples: int
    """Its length in samples."""
    heard_ns: int | None
    """Time at which its first sample was heard; None if it never was."""
    heard_samples: int
    """Number of its samples that were heard: fewer than ``samples`` where a clear cut it."""

    @property
    def generation(self) -> str:
        """The part of the agent's stream between two clears that the chunk belongs to."""
        return self.chunk_id.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of audible sound of the agent, half open, in time."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything heard of the agent in a trial."""

    sounds: Sequence[Sound]
    """Its sounds, by time."""
    chunks: Sequence[Chunk]
    """Its chunks that arrived."""
    cleared_ns: Sequence[int]
    """Times at which unheard audio was dropped, in order."""
    rate_hz: int
    """Rate of the recording."""


@dataclass(frozen=True, slots=True)
class Tags:
    """For which turn the synthesiser's requests were made, by their marks.

    The first audio counts from when it is sent, where that is marked: until then it may wait behind
    another's. An unmarked time is infinite.
    """

    made_ns: Sequence[float]
    """Time of the first audio of each of the turn's requests."""
    others_ns: Sequence[tuple[float, float]] = ()
    """(first audio, end of the synthesis) of each request of another turn."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The answer to a turn, as found."""

    a_on_ns: int | None
    """First audible sample of the answer; None if none was heard."""
    premature_starts: int = 0
    """Number of answers that began before the user had ended, and were cut before then."""
    doubt: str | None = None
    """Why the sound at ``a_on_ns`` may not be an answer to this turn; None if it is one."""


def replies_of(sounds: Sequence[Sound], cleared_ns: Sequence[int]) -> Iterator[Sound]:
    """The agent's replies: what lies between silences of `REPLY_GAP_MS`, or between clears.

    Args:
        sounds: Everything heard of the agent, by time.
        cleared_ns: Times at which unheard audio was dropped.
    """
    current: Sound | None = None
    for sound in sounds:
        if current is None:
            current = sound
            continue
        since, until = current.end_ns, sound.start_ns
        if until - since >= REPLY_GAP_MS * NS_PER_MS or any(
            since <= t <= until for t in cleared_ns
        ):
            yield current
            current = sound
        else:
            current = Sound(current.start_ns, sound.end_ns)
    if current is not None:
        yield current


def find_onset(heard: Heard, u_on: int, u_off: int, end_ns: int | None, tags: Tags | None) -> Onset:
    """Finds the answer to a turn: the first sound that begins within it and belongs to it.

    - A sound that begins while the user still speaks counts (its gap is negative), unless it only
      goes on with the earlier reply: then less than `REPLY_GAP_MS` of silence precede it and no
      clear cut the earlier reply off.
    - It does not count if a clear cut its reply before the user had ended: the agent took it back.
      Such sounds are counted as premature starts.
    - A sound that begins after the user had ended, and after `REPLY_GAP_MS` of the agent's silence,
      is an answer of the turn whatever its tag: what is heard decides, and a tag that contradicts
      it is a doubt. A sound that no synthesiser made, a recording for instance, has no tag.
    - Of a sound that may go on with an earlier reply the tags decide, where the synthesiser is
      marked: it is the turn's only if it lies in a chunk that was written after the first audio of
      one of the turn's requests came out. Where that is unknown, it is in doubt.

    Args:
        heard: The agent's side of the trial.
        u_on: First audible sample of the user's turn, ns.
        u_off: End of its last audible sample, ns.
        end_ns: u_on of the next turn; None for the last one.
        tags: What the synthesiser's marks say; None if the trial holds none.
    """
    one_sample = _one_sample(heard)
    cuts: set[int] = set()
    last_end = -math.inf
    for i, sound in enumerate(heard.sounds):
        previous_end, last_end = last_end, sound.end_ns
        if sound.start_ns < u_on or (end_ns is not None and sound.start_ns >= end_ns):
            continue
        paused = sound.start_ns - previous_end >= REPLY_GAP_MS * NS_PER_MS
        anew = any(previous_end - one_sample <= t <= sound.start_ns for t in heard.cleared_ns)
        if not (sound.start_ns >= u_off or paused or anew):
            continue
        own = True if tags is None else _is_made(heard, sound, tags.made_ns)
        if own is False and not (paused and sound.start_ns >= u_off):
            continue
        if own is False and tags is not None and not _is_others(heard, sound, previous_end, tags):
            own = True
        cut = _cut_at(heard, i, u_off)
        if cut is None:
            return Onset(sound.start_ns, len(cuts), DOUBTS[own])
        cuts.add(cut)
    return Onset(None, len(cuts))


def _one_sample(heard: Heard) -> int:
    """Tolerance: the recording's samples lie up to half a sample from the ear's times."""
    return samples_to_ns(1, heard.rate_hz) + 1 if heard.sounds else 0


def _is_made(heard: Heard, sound: Sound, made_ns: Sequence[float]) -> bool | None:
    """True if a sound was made for the turn; None where its chunk is not marked."""
    if not made_ns:
        return False
    written_ns = _written_ns(heard, sound)
    return None if written_ns is None else min(made_ns) <= written_ns


def _is_others(heard: Heard, sound: Sound, silent_ns: float, tags: Tags) -> bool:
    """True if a sound after a silence may be of another turn's request.

    Such a request's audio begins in that silence, or is still being made. Of one that was over,
    what was left in the queue would have been heard without the silence.

    Args:
        heard: The agent's side of the trial.
        sound: The sound.
        silent_ns: The start of the silence.
        tags: What the synthesiser's marks say.
    """
    written_ns = _written_ns(heard, sound)
    if written_ns is None:
        return True
    return any(
        first <= written_ns and (written_ns < end or first >= silent_ns)
        for first, end in tags.others_ns
    )


def _written_ns(heard: Heard, sound: Sound) -> int | None:
    """When the chunk in which a sound begins was written; None where that is not marked."""
    slack = _one_sample(heard)
    for chunk in heard.chunks:
        if chunk.heard_ns is None:
            continue
        end_ns = chunk.heard_ns + samples_to_ns(chunk.heard_samples, heard.rate_hz)
        if chunk.heard_ns - slack <= sound.start_ns < end_ns:
            return chunk.write_ns
    return None


def _cut_at(heard: Heard, number: int, u_off: int) -> int | None:
    """Time at which the reply that a sound begins was cut, before the user had ended; None if it
    was not.

    A reply may be silent for a moment when it is cut, so its end is where `REPLY_GAP_MS` of silence
    follow.
    """
    gap = REPLY_GAP_MS * NS_PER_MS
    start_ns = heard.sounds[number].start_ns
    end_ns = heard.sounds[number].end_ns
    for later in heard.sounds[number + 1 :]:
        if later.start_ns - end_ns >= gap:
            break
        end_ns = later.end_ns
    cuts = (t for t in heard.cleared_ns if start_ns < t <= u_off and t < end_ns + gap)
    return next(cuts, None)
