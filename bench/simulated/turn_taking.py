"""Trials whose turn-taking is known: for tests, and for examples of reports.

The user asks, the agent replies, and the user makes a sound over the reply. `TurnTakingPlan` says
when each of it happens; `turn_taking_trial_of` makes from it what a real trial would have left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from bench.store.expectation import Expectation
from bench.store.labels import IGNORED, FixtureLabels, TurnLabels, UserEvent
from bench.store.recording import AGENT, USER, Stereo
from bench.store.records import Trial
from bench.store.store import save_recording, write_info, write_trial
from pipelines.audio.onsets import Span
from pipelines.clock import NS_PER_MS
from pipelines.kinds import Weights
from pipelines.marks import EventName, Mark, Stage, stamp

RATE_HZ = 16_000
T0_NS = 5_000_000_000
CHUNK_MS = 20
SAMPLES_PER_MS = RATE_HZ // 1000

Ending = Literal["cut", "yielded", "itself"]


@dataclass(frozen=True, slots=True)
class TurnTakingPlan:
    """One conversation of two turns. Times are ms after t0, on multiples of 1 ms."""

    asks: tuple[float, float] = (500.0, 2000.0)
    """First and last sound of the user's question."""
    pauses: Sequence[tuple[float, float]] = ()
    """Labelled silences inside the question."""
    reply: tuple[float, float] = (2500.0, 4350.0)
    """First and last sound of the agent's reply, as heard."""
    reply_meant_ms: float | None = 6000.0
    """Length of the reply as the synthesiser made it; None: not marked."""
    event: UserEvent = "interruption"
    """Kind of the second turn."""
    speaks: tuple[float, float] = (4000.0, 5500.0)
    """First and last sound of the second turn."""
    ending: Ending = "cut"
    """Ending of the reply: its unheard audio was cleared (a cascade), the model fell silent and
    reported it (a duplex model), or all of it had been said."""
    decided_ms: float = 4340.0
    """Time at which the agent chose to yield."""
    then: tuple[float, float] | None = (6000.0, 7500.0)
    """First and last sound of the agent's answer to the second turn; None: no answer."""
    total_ms: float = 9000.0
    """Length of the recording."""


def turn_taking_labels_of(fixture: str, plan: TurnTakingPlan) -> FixtureLabels:
    """The labels that the fixture of a plan would have."""
    wants = plan.event not in IGNORED
    pauses = tuple(
        Span(round((a - plan.asks[0]) * 16), round((b - plan.asks[0]) * 16)) for a, b in plan.pauses
    )
    asks = _turn_labels("what do you see", plan.asks, respond=True)
    speaks = _turn_labels("stop that" if wants else "", plan.speaks, respond=wants)
    turns = (replace(asks, pauses=pauses), replace(speaks, event=plan.event))
    return FixtureLabels(fixture, turns)


def _turn_labels(text: str, sound: tuple[float, float], *, respond: bool) -> TurnLabels:
    samples = round((sound[1] - sound[0]) * 16)
    return TurnLabels(text, 0, samples, samples, 16_000, Expectation(respond=respond))


def turn_taking_trial_of(
    plan: TurnTakingPlan,
    *,
    preset: str = "example",
    fixture: str = "floor_example",
    weights: Weights = "trained",
    t0_ns: int = T0_NS,
) -> tuple[Trial, list[Mark], Stereo]:
    """One trial as planned.

    Returns:
        The trial's row (without a recording's path), its marks, and its recording (n, 2) int16.
    """
    pcm = np.zeros((round(plan.total_ms * SAMPLES_PER_MS), 2), np.int16)
    question = [plan.asks[0], *(t for pause in plan.pauses for t in pause), plan.asks[1]]
    for start, end in (*zip(question[::2], question[1::2], strict=True), plan.speaks):
        _sound(pcm, USER, start, end)
    for start, end in (plan.reply, *([plan.then] if plan.then else [])):
        _sound(pcm, AGENT, start, end)
    marks = [
        *_spoken(0, plan.asks, t0_ns),
        *_spoken(1, plan.speaks, t0_ns),
        *_reply_marks(plan, t0_ns),
        *_ending_marks(plan, t0_ns),
    ]
    trial = Trial(
        run_id="example",
        trial_id=f"{preset}.{fixture}.0",
        preset=preset,
        fixture=fixture,
        repeat=0,
        t0_ns=t0_ns,
        rate_hz=RATE_HZ,
        turns=2,
        weights=weights,
        kind="duplex" if plan.ending == "yielded" else "cascade",
        audio_s=plan.total_ms / 1000,
        wall_s=plan.total_ms / 1000,
    )
    return trial, marks, pcm


def _at(t0_ns: int, ms: float) -> int:
    return t0_ns + round(ms * NS_PER_MS)


def _sound(pcm: Stereo, channel: int, start_ms: float, end_ms: float) -> None:
    pcm[round(start_ms * SAMPLES_PER_MS) : round(end_ms * SAMPLES_PER_MS), channel] = 6000


def _spoken(turn: int, sound: tuple[float, float], t0_ns: int) -> list[Mark]:
    said: tuple[tuple[EventName, float], ...] = (
        ("turn_start", sound[0] - 100),
        ("speech_on", sound[0]),
        ("speech_off", sound[1]),
        ("turn_end", sound[1] + 100),
    )
    return [stamp("user", event, t_ns=_at(t0_ns, ms), turn=turn) for event, ms in said]


def _reply_marks(plan: TurnTakingPlan, t0_ns: int) -> list[Mark]:
    """The reply's request and its chunks; a duplex model has no request."""
    if plan.ending == "yielded":
        out_ns = _at(t0_ns, plan.decided_ms + 1)
        return [stamp("duplex", "frame_out", t_ns=out_ns, request_id="duplex-1", value=0.0)]
    begun = _at(t0_ns, plan.reply[0] - 10)
    marks = [stamp("tts", "first_byte", t_ns=begun, request_id="l0/s0")]
    if plan.reply_meant_ms is not None:
        made = plan.reply_meant_ms * SAMPLES_PER_MS
        marks.append(stamp("tts", "end", t_ns=begun + 10**6, request_id="l0/s0", value=made))
    at_ms, i = plan.reply[0], 0
    while at_ms < plan.reply[1]:
        samples = min(CHUNK_MS, plan.reply[1] - at_ms) * SAMPLES_PER_MS
        chunk: tuple[tuple[Stage, EventName, float, float], ...] = (
            ("link", "write", at_ms - 0.2, float(i * CHUNK_MS * SAMPLES_PER_MS)),
            ("ear", "received", at_ms - 0.1, samples),
            ("ear", "heard", at_ms, samples),
        )
        for stage, event, ms, value in chunk:
            t_ns = _at(t0_ns, ms)
            marks.append(stamp(stage, event, t_ns=t_ns, request_id=f"g1:{i}", value=value))
        at_ms, i = at_ms + CHUNK_MS, i + 1
    return marks


def _ending_marks(plan: TurnTakingPlan, t0_ns: int) -> list[Mark]:
    decided, end = _at(t0_ns, plan.decided_ms), _at(t0_ns, plan.reply[1])
    if plan.ending == "yielded":
        left = (plan.reply_meant_ms or 0.0) - (plan.decided_ms - plan.reply[0])
        return [stamp("duplex", "yielded", t_ns=decided, request_id="duplex-1", value=left)]
    if plan.ending == "cut":
        return [
            stamp("turn", "interruption", t_ns=decided),
            stamp("link", "clear", t_ns=end, value=2.0),
            stamp("ear", "cleared", t_ns=end, request_id="g1:999", value=220.0),
        ]
    return []


def write_example_turn_taking_run(run_dir: Path, plans: Sequence[TurnTakingPlan]) -> None:
    """Writes a run of one trial for each plan, each on a fixture of its own."""
    fixtures = []
    for i, plan in enumerate(plans):
        name, t0_ns = f"floor_example_{i:02d}", T0_NS + i * 10**11
        trial, marks, pcm = turn_taking_trial_of(plan, fixture=name, t0_ns=t0_ns)
        path = save_recording(run_dir, trial.trial_id, pcm, RATE_HZ)
        write_trial(run_dir, replace(trial, recording=path), marks)
        fixtures.append(turn_taking_labels_of(name, plan))
    labels = {of.name: of.to_dict() for of in fixtures}
    write_info(run_dir, {"run_id": "example", "fixtures": labels})
