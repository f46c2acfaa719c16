"""The agent's channel compared with the marks: where it sounds, and where its onsets lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.store.recording import AGENT
from bench.timeline.agreement import sound_unmarked
from labs.evidence.trial import Evidence
from pipelines.audio.onsets import audible_spans
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark

ONSET_MS = 1.0
"""Tolerance between the onset by the marks and the one in the recording."""
VOICE_HZ = {"espeak": 22_050}
"""The synthesiser's engine → its own rate."""


def agent_channel(e: Evidence) -> Iterator[str]:
    """The agent's channel compared with the ear's marks: sound only where a chunk was heard."""
    if e.recording is None:
        return
    yield from sound_unmarked(e.trial, e.marks, e.recording)
    heard = sorted(e.all("ear", "heard"), key=lambda m: m.t_ns)
    yield from _onsets(e, e.recording[:, AGENT], heard)


def _onsets(e: Evidence, agent: NDArray[np.int16], heard: Sequence[Mark]) -> Iterator[str]:
    """The first onset of each reply: where the synthesiser's and the ear's marks put it.

    Only without a resampler between: it would hold audio back.
    """
    preset = e.run.info.get("presets", {}).get(e.trial.preset, {})
    engine = preset.get("stages", {}).get("tts", {}).get("engine")
    if VOICE_HZ.get(engine) != e.trial.rate_hz:
        return
    spans = audible_spans(agent, e.trial.rate_hz)
    writes = sorted(e.all("link", "write"), key=lambda m: m.t_ns)
    heard_ns = {m.request_id: m.t_ns for m in heard if m.value}
    bytes_ns = {m.request_id: m.t_ns for m in e.all("tts", "first_byte")}
    previous_end = -(10**18)
    for mark in sorted(e.all("tts", "first_audible"), key=lambda m: m.t_ns):
        first_ns = bytes_ns.get(mark.request_id)
        chunk = next((w for w in writes if first_ns is not None and w.t_ns >= first_ns), None)
        if chunk is None or chunk.request_id not in heard_ns:
            continue
        at_ns = heard_ns[chunk.request_id]
        if at_ns - previous_end < 300 * NS_PER_MS:
            continue  # it follows an earlier clause: which of the samples is its own can't be seen
        expected = e.sample(at_ns) + int(mark.value or 0)
        nearest = min((s.start for s in spans), key=lambda s: abs(s - expected), default=None)
        previous_end = at_ns
        if nearest is None or abs(nearest - expected) > ONSET_MS * e.trial.rate_hz / 1000:
            off = "nothing" if nearest is None else f"{1000 * nearest / e.trial.rate_hz:.1f} ms"
            yield (
                f"by the marks the agent is heard from {1000 * expected / e.trial.rate_hz:.1f} ms "
                f"on, in the recording from {off} on"
            )
            return
