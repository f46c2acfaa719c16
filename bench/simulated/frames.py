"""Simulated trials of a duplex model with known frame times: for tests and examples.

`DuplexPlan` gives the duration of each part of a frame; `duplex_trial_of` makes from it the row,
the marks and the recording that a real trial of such a model would have left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.store.recording import AGENT, USER, Stereo
from bench.store.records import Trial
from bench.store.store import save_recording, write_info, write_trial
from bench.timeline.frames import FRAME_MS, FRAME_SAMPLES
from pipelines.clock import NS_PER_MS
from pipelines.kinds import Weights
from pipelines.marks import EventName, Mark, Stage, stamp

RATE_HZ = 24_000
CHUNK_MS = 20
T0_NS = 5_000_000_000
U_ON_MS, U_OFF_MS = 500.0, 2000.0
"""The user's one turn."""


@dataclass(frozen=True, slots=True)
class DuplexPlan:
    """The times of a duplex model. All in ms."""

    frames: int = 125
    """Number of input frames of 80 ms in the conversation."""
    service_ms: Sequence[float] = (60.0,)
    """Times from the end of one frame's work to the end of the next one's, where that was waiting;
    by frame, repeated."""
    encode_ms: float = 10.0
    decode_ms: float = 15.0
    """The rest of the service time, less ``added_in_ms``, is the language model's step."""
    added_in_ms: float = 0.5
    """Time from when frame and model are both ready to the start of the work."""
    added_out_ms: float = 1.0
    """Time from the end of the work to the emission."""
    unpaced: int = 0
    """Number of frames of an unpaced session before the conversation."""
    unfinished: int = 1
    """Number of frames at the end that are still on their way when the caller hangs up."""
    text: str = "all right"
    """Text of which a piece comes with every fifth frame."""


def duplex_trial_of(
    plan: DuplexPlan,
    *,
    preset: str = "duplex-example",
    fixture: str = "session_example",
    repeat: int = 0,
    weights: Weights = "scripted",
    mouth_late_ms: float = 0.2,
    t0_ns: int = T0_NS,
) -> tuple[Trial, list[Mark], Stereo]:
    """One trial as planned; the model is audible from its first frame to its last.

    Returns:
        The trial's row (without a recording's path), its marks, and its recording (n, 2) int16.
    """
    total_ms = plan.frames * FRAME_MS
    pcm = np.zeros((round(total_ms * RATE_HZ / 1000), 2), np.int16)
    _sound(pcm, USER, U_ON_MS, U_OFF_MS)
    marks = _caller_marks(total_ms, mouth_late_ms, t0_ns)
    if plan.unpaced:
        marks += _unpaced_marks(plan, t0_ns)
    heard_ms, out = 0.0, 0
    for k, stamps in enumerate(_frame_stamps(plan)):
        done = k < plan.frames - plan.unfinished
        for event, at_ms in stamps.items():
            if done or event in ("frame_in", "handed"):
                marks.append(_mark("duplex", event, t0_ns, at_ms, "duplex-1", float(k)))
        if not done:
            continue
        if k % 5 == 0:
            text = f"{plan.text} "
            marks.append(_mark("duplex", "text", t0_ns, stamps["stepped"], "duplex-1", k, text))
        written_ms = stamps["frame_out"] + 0.2
        received_ms = written_ms + 0.1
        heard_ms = max(received_ms, heard_ms)
        chunk = f"g0:{out}"
        marks.append(_mark("link", "write", t0_ns, written_ms, chunk, out * FRAME_SAMPLES))
        marks.append(_mark("ear", "received", t0_ns, received_ms, chunk, FRAME_SAMPLES))
        marks.append(_mark("ear", "heard", t0_ns, heard_ms, chunk, FRAME_SAMPLES))
        _sound(pcm, AGENT, heard_ms, heard_ms + FRAME_MS)
        heard_ms += FRAME_MS
        out += 1
    trial = Trial(
        run_id="example",
        trial_id=f"{preset}.{fixture}.{repeat}",
        preset=preset,
        fixture=fixture,
        repeat=repeat,
        t0_ns=t0_ns,
        rate_hz=RATE_HZ,
        turns=1,
        chunks_sent=round(total_ms / CHUNK_MS),
        weights=weights,
        kind="duplex",
        cpu_agent_s=total_ms / 1000 * 0.6,
        cpu_caller_s=total_ms / 1000 * 0.03,
        rss_agent_peak_mb=510.0,
        rss_caller_peak_mb=120.0,
        audio_s=total_ms / 1000,
        wall_s=total_ms / 1000,
    )
    return trial, marks, pcm


def _frame_stamps(plan: DuplexPlan) -> list[dict[EventName, float]]:
    """Event → ms after t0, for each frame."""
    table: list[dict[EventName, float]] = []
    ready_ms = 0.0
    for k in range(plan.frames):
        in_ms = (k + 1) * FRAME_MS
        handed_ms = in_ms + 0.1
        start_ms = max(handed_ms, ready_ms) + plan.added_in_ms
        work_ms = plan.service_ms[k % len(plan.service_ms)] - plan.added_in_ms
        done_ms = start_ms + work_ms
        table.append(
            {
                "frame_in": in_ms,
                "handed": handed_ms,
                "ready": ready_ms,
                "start": start_ms,
                "encoded": start_ms + plan.encode_ms,
                "stepped": done_ms - plan.decode_ms,
                "decode_start": done_ms - plan.decode_ms,
                "done": done_ms,
                "frame_out": done_ms + plan.added_out_ms,
            }
        )
        ready_ms = done_ms
    return table


def _unpaced_marks(plan: DuplexPlan, t0_ns: int) -> list[Mark]:
    """A session that was fed all at once and ended a second before t0."""
    took_ms = [plan.service_ms[k % len(plan.service_ms)] for k in range(plan.unpaced)]
    ready_ms = -1000.0 - sum(took_ms)
    handed_ms = ready_ms - 1
    marks = []
    for k, ms in enumerate(took_ms):
        start_ms, done_ms = ready_ms + plan.added_in_ms, ready_ms + ms
        stamps: tuple[tuple[EventName, float], ...] = (
            ("handed", handed_ms),
            ("ready", ready_ms),
            ("start", start_ms),
            ("encoded", start_ms + plan.encode_ms),
            ("stepped", done_ms - plan.decode_ms),
            ("decode_start", done_ms - plan.decode_ms),
            ("done", done_ms),
        )
        for event, at_ms in stamps:
            marks.append(_mark("duplex", event, t0_ns, at_ms, "unpaced-0", k))
        ready_ms = done_ms
    return marks


def _caller_marks(total_ms: float, late_ms: float, t0_ns: int) -> list[Mark]:
    """The caller's chunks, seen by the pipeline 0.1 ms later, and the user's turn."""
    marks = []
    for k in range(int(total_ms / CHUNK_MS)):
        sent_ms = (k + 1) * CHUNK_MS + late_ms
        marks.append(_mark("user", "chunk_sent", t0_ns, sent_ms, value=k))
        marks.append(_mark("link", "chunk_in", t0_ns, sent_ms + 0.1, value=k))
    said: tuple[tuple[EventName, float], ...] = (
        ("turn_start", U_ON_MS - 100),
        ("speech_on", U_ON_MS),
        ("speech_off", U_OFF_MS),
        ("turn_end", U_OFF_MS + 100),
    )
    for event, at_ms in said:
        at_ns = t0_ns + round(at_ms * NS_PER_MS)
        marks.append(stamp("user", event, t_ns=at_ns, turn=0))
    return marks


def _mark(
    stage: Stage,
    event: EventName,
    t0_ns: int,
    at_ms: float,
    request_id: str = "",
    value: float | None = None,
    text: str | None = None,
) -> Mark:
    at_ns = t0_ns + round(at_ms * NS_PER_MS)
    number = None if value is None else float(value)
    return stamp(stage, event, t_ns=at_ns, request_id=request_id, value=number, text=text)


def _sound(pcm: Stereo, channel: int, start_ms: float, end_ms: float) -> None:
    """A square wave: audible to its very ends."""
    first, stop = (round(ms * RATE_HZ / 1000) for ms in (start_ms, end_ms))
    stop = min(stop, len(pcm))
    pcm[first:stop, channel] = np.where(np.arange(max(0, stop - first)) // 50 % 2 == 0, 6000, -6000)


EXAMPLE_PLANS: dict[str, tuple[Weights, float, float]] = {
    "duplex-scripted-60ms": ("scripted", 60.0, 0.0),
    "duplex-tiny": ("synthetic", 52.0, 0.16),
    "duplex-scripted-86ms": ("scripted", 86.0, 0.0),
}
"""Preset → weights, service ms, and its scatter (σ of its logarithm)."""


def write_example_duplex(run_dir: Path, *, short: int = 3, seed: int = 1) -> None:
    """Writes a run of three duplex presets: a warm-up, some short trials and 150 s of each.

    Args:
        run_dir: The folder; may hold other trials, whose ``run.json`` is then kept.
        short: Trials of 10 s of each preset.
        seed: The same seed gives the same run.
    """
    rng = np.random.default_rng(seed)
    number = 0
    for repeat in range(short + 2):
        for preset, (weights, ms, sigma) in EXAMPLE_PLANS.items():
            is_long = repeat == short + 1
            frames = 1875 if is_long else 125
            plan = DuplexPlan(
                frames=frames,
                service_ms=tuple(ms * rng.lognormal(0, sigma, frames)),
                unpaced=150 if repeat == 0 else 0,
            )
            fixture = "session_150s" if is_long else "cmd_example"
            t0_ns = T0_NS + (1000 + number) * 10**11
            trial, marks, pcm = duplex_trial_of(
                plan, preset=preset, fixture=fixture, repeat=repeat, weights=weights, t0_ns=t0_ns
            )
            path = save_recording(run_dir, trial.trial_id, pcm, RATE_HZ)
            started = f"2026-01-01T01:{number:02d}:00Z"
            trial = replace(trial, recording=path, started_utc=started, warmup=repeat == 0)
            write_trial(run_dir, trial, marks)
            number += 1
    if not (run_dir / "run.json").exists():
        info = {
            "run_id": "example",
            "started_utc": "2026-01-01T00:00:00Z",
            "machine": {"cpu": "an example, measured nowhere", "cores": 2},
        }
        write_info(run_dir, info)
