"""Simulated trials with known times: the double of a run, for tests and examples.

`TurnPlan` gives the time of each event of a turn, in ms after the user's last sound; `trial_of`
makes from it the row, the marks and the recording that a real trial would have left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.metrics.compute import compute_trial, trial_with_causes
from bench.store.expectation import Expectation
from bench.store.labels import FixtureLabels, TurnLabels
from bench.store.recording import AGENT, USER, Stereo
from bench.store.records import CauseRow, MetricRow, Trial
from bench.store.store import save_recording, write_info, write_trial
from pipelines.clock import NS_PER_MS, ns_to_samples
from pipelines.kinds import Weights
from pipelines.marks import EventName, Mark, Stage, stamp

RATE_HZ = 22_050
CHUNK_MS = 20
T0_NS = 5_000_000_000
VERDICT_MS = 40.0
EXPECT = Expectation(slots={"colour": ("red",), "object": ("block",), "place": ("table",)})


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """One turn. Times are ms after u_off unless said; None: it does not happen."""

    u_on_ms: float = 500.0
    """First sound of the user, ms after t0."""
    u_off_ms: float = 2000.0
    """End of the user's last sound, ms after t0."""
    text: str = "put the red block on the table"
    """The user's words."""
    transcript: str | None = "put the red block on the table"
    """The recogniser's transcript."""
    answer: str = "I put the red block on the table"
    """The words that the agent means to say."""
    expect: Expectation = EXPECT
    """Right behaviour of an agent."""
    vad_stop_ms: float | None = 200.0
    stop_secs: float = 0.2
    verdict: str | None = None
    """An end-of-turn model's verdict, `VERDICT_MS` after the VAD's stop: complete or incomplete."""
    stt_final_ms: float = 230.0
    release_ms: float | None = 250.0
    llm_request_ms: float = 252.0
    first_token_ms: float = 280.0
    to_tts_ms: float | None = 330.0
    tts_request_ms: float = 331.0
    first_byte_ms: float = 340.0
    write_ms: float = 343.0
    """The reply's first chunk is written to the link."""
    heard_ms: float | None = 344.0
    """Its first sample is heard; None: the agent does not answer."""
    leading_ms: float = 40.0
    """Length of the silence that leads the reply's audio."""
    speech_ms: float = 900.0
    """Length of the sound that follows."""


def labels_of(fixture: str, plans: Sequence[TurnPlan]) -> FixtureLabels:
    """The labels that the fixture of these turns would have."""
    return FixtureLabels(
        fixture,
        tuple(
            TurnLabels(
                text=plan.text,
                u_on=0,
                u_off=round((plan.u_off_ms - plan.u_on_ms) * 16),
                samples=round((plan.u_off_ms - plan.u_on_ms) * 16) + 1600,
                rate_hz=16_000,
                expect=plan.expect,
            )
            for plan in plans
        ),
    )


def trial_of(
    plans: Sequence[TurnPlan],
    *,
    preset: str = "example",
    fixture: str = "cmd_example",
    repeat: int = 0,
    weights: Weights = "trained",
    mouth_late_ms: float = 0.2,
    ear_late_ms: float = 0.3,
    t0_ns: int = T0_NS,
) -> tuple[Trial, list[Mark], Stereo]:
    """One trial as planned.

    Args:
        plans: Its turns, in order.
        preset: The pipeline's name.
        fixture: The fixture's name.
        repeat: Number of the repetition.
        weights: trained, synthetic or scripted.
        mouth_late_ms: Lateness of every chunk that the caller sends.
        ear_late_ms: Time from writing to receiving of every chunk of the agent.
        t0_ns: The recording's sample 0.

    Returns:
        The trial's row (without a recording's path), its marks, and its recording (n, 2) int16.
    """
    last = max(plan.u_off_ms + (plan.heard_ms or 0) + 40 + plan.speech_ms for plan in plans)
    total_ms = last + 1500
    pcm = np.zeros((round(total_ms * RATE_HZ / 1000), 2), np.int16)
    marks = _chunk_marks(t0_ns, total_ms, mouth_late_ms)
    for number, plan in enumerate(plans):
        _sound(pcm, USER, plan.u_on_ms, plan.u_off_ms)
        marks += _user_marks(plan, number, t0_ns)
        marks += _agent_marks(plan, number, t0_ns)
        if plan.heard_ms is not None:
            onset_ms = plan.u_off_ms + plan.heard_ms + plan.leading_ms
            _sound(pcm, AGENT, onset_ms, onset_ms + plan.speech_ms)
            marks += _reply_marks(plan, number, t0_ns, ear_late_ms)
    trial = Trial(
        run_id="example",
        trial_id=f"{preset}.{fixture}.{repeat}",
        preset=preset,
        fixture=fixture,
        repeat=repeat,
        t0_ns=t0_ns,
        rate_hz=RATE_HZ,
        turns=len(plans),
        status="ok" if all(plan.heard_ms is not None for plan in plans) else "no_answer",
        chunks_sent=round(total_ms / CHUNK_MS),
        weights=weights,
        cpu_agent_s=total_ms / 1000 * 0.2,
        cpu_caller_s=total_ms / 1000 * 0.03,
        rss_agent_peak_mb=410.0,
        rss_caller_peak_mb=120.0,
        audio_s=total_ms / 1000,
        wall_s=total_ms / 1000,
    )
    return trial, marks, pcm


def _at(t0_ns: int, ms: float) -> int:
    return t0_ns + round(ms * NS_PER_MS)


def _sound(pcm: Stereo, channel: int, start_ms: float, end_ms: float) -> None:
    """A square wave: audible to its very ends."""
    first = ns_to_samples(round(start_ms * NS_PER_MS), RATE_HZ)
    stop = ns_to_samples(round(end_ms * NS_PER_MS), RATE_HZ)
    pcm[first:stop, channel] = np.where(np.arange(stop - first) // 50 % 2 == 0, 6000, -6000)


def _chunk_marks(t0_ns: int, total_ms: float, late_ms: float) -> list[Mark]:
    """The caller's chunks, seen by the pipeline 0.1 ms later."""
    marks = []
    for k in range(int(total_ms / CHUNK_MS)):
        due_ms = (k + 1) * CHUNK_MS
        sent = _at(t0_ns, due_ms + late_ms)
        seen = _at(t0_ns, due_ms + late_ms + 0.1)
        marks.append(stamp("user", "chunk_sent", t_ns=sent, value=float(k)))
        marks.append(stamp("link", "chunk_in", t_ns=seen, value=float(k)))
    return marks


def _user_marks(plan: TurnPlan, number: int, t0_ns: int) -> list[Mark]:
    said: tuple[tuple[EventName, float], ...] = (
        ("turn_start", plan.u_on_ms - 100),
        ("speech_on", plan.u_on_ms),
        ("speech_off", plan.u_off_ms),
        ("turn_end", plan.u_off_ms + 100),
    )
    return [stamp("user", event, t_ns=_at(t0_ns, ms), turn=number) for event, ms in said]


def _agent_marks(plan: TurnPlan, number: int, t0_ns: int) -> list[Mark]:
    """The marks of the agent's components: without a turn, as in a real trial."""
    stt, llm, tts = f"u{number}", f"l{number}", f"s{number}"
    marks = []

    def put(stage: Stage, event: EventName, ms: float | None, rid: str = "", **more: Any) -> None:
        if ms is not None:
            t_ns = _at(t0_ns, plan.u_off_ms + ms)
            marks.append(stamp(stage, event, t_ns=t_ns, request_id=rid, **more))

    put("link", "clear", plan.u_on_ms - plan.u_off_ms + 300, value=float(number + 1))
    put("vad", "speech_start", plan.u_on_ms - plan.u_off_ms + 300)
    put("vad", "speech_stop", plan.vad_stop_ms, value=plan.stop_secs)
    if plan.verdict is not None and plan.vad_stop_ms is not None:
        sure = 0.25 if plan.verdict == "incomplete" else 0.75
        put("turn", "analysis", plan.vad_stop_ms + VERDICT_MS, value=sure, text=plan.verdict)
    if plan.transcript is not None:
        put("stt", "final", plan.stt_final_ms, stt, text=plan.transcript)
    if plan.release_ms is None:
        return marks
    put("turn", "release", plan.release_ms)
    put("llm", "request", plan.llm_request_ms, llm)
    put("llm", "first_token", plan.first_token_ms, llm)
    put("llm", "first_speakable", plan.first_token_ms, llm)
    put("llm", "to_tts", plan.to_tts_ms, llm)
    put("llm", "end", plan.to_tts_ms, llm, text=plan.answer, value=8.0)
    put("tts", "request", plan.tts_request_ms, tts, text=plan.answer)
    put("tts", "first_byte", plan.first_byte_ms, tts)
    if plan.heard_ms is not None:
        put("agent", "answer_text", plan.first_byte_ms, llm, text=plan.answer)
        put("pipecat", "bot_started", plan.write_ms)
    return marks


def _reply_marks(plan: TurnPlan, number: int, t0_ns: int, late_ms: float) -> list[Mark]:
    """The reply's chunks of 20 ms, written as they are heard."""
    assert plan.heard_ms is not None
    marks = []
    samples = RATE_HZ * CHUNK_MS // 1000
    for i in range(int((plan.leading_ms + plan.speech_ms) / CHUNK_MS) + 1):
        chunk = f"g{number + 1}:{i}"
        written = _at(t0_ns, plan.u_off_ms + plan.write_ms + i * CHUNK_MS)
        arrived = written + round(late_ms * NS_PER_MS)
        heard = _at(t0_ns, plan.u_off_ms + plan.heard_ms + i * CHUNK_MS)
        index = float(i * samples)
        marks.append(stamp("link", "write", t_ns=written, request_id=chunk, value=index))
        marks.append(stamp("ear", "received", t_ns=arrived, request_id=chunk, value=float(samples)))
        marks.append(stamp("ear", "heard", t_ns=heard, request_id=chunk, value=float(samples)))
    return marks


def rows_of(
    plans: Sequence[TurnPlan], *, extra: Sequence[Mark] = (), drop: str = "", **kwargs: Any
) -> dict[tuple[int, str], MetricRow]:
    """(turn, metric) → row, of one trial as planned.

    Args:
        plans: Its turns, in order.
        extra: Marks to add.
        drop: ``stage.event`` whose marks are left out.
        kwargs: As `trial_of` takes them.
    """
    trial, marks, pcm = trial_of(plans, **kwargs)
    marks = [m for m in [*marks, *extra] if f"{m.stage}.{m.event}" != drop]
    rows = compute_trial(trial, marks, pcm, labels_of("cmd_example", plans))
    return {(row.turn, row.metric): row for row in rows}


def causes_of(
    plans: Sequence[TurnPlan], *, extra: Sequence[Mark] = (), drop: str = "", **kwargs: Any
) -> dict[tuple[int, str], CauseRow]:
    """(turn, cause) → row, of one trial as planned; the arguments are those of `rows_of`."""
    trial, marks, pcm = trial_of(plans, **kwargs)
    marks = [m for m in [*marks, *extra] if f"{m.stage}.{m.event}" != drop]
    found = trial_with_causes(trial, marks, pcm, labels_of("cmd_example", plans)).causes
    return {(row.turn, row.cause): row for row in found}


def after_u_off(ms: float, stage: Stage, event: EventName, rid: str = "", **more: Any) -> Mark:
    """A mark ``ms`` after the default plan's u_off."""
    t_ns = T0_NS + round((TurnPlan().u_off_ms + ms) * NS_PER_MS)
    return stamp(stage, event, t_ns=t_ns, request_id=rid, **more)


_EXAMPLE_PRESETS: dict[str, tuple[Weights, float, float, float, float]] = {
    # name: (weights, turn release, LLM, TTS, output) in ms
    "cascade-tuned": ("trained", 270.0, 62.0, 18.0, 22.0),
    "cascade-stock": ("trained", 700.0, 95.0, 30.0, 48.0),
    "scripted-600": ("scripted", 150.0, 300.0, 90.0, 20.0),
}


def _random_plan(preset: str, rng: np.random.Generator) -> TurnPlan:
    """A turn of one of the example's presets, with the variation of real ones."""
    _, wait, llm, tts, out = _EXAMPLE_PRESETS[preset]
    scatter = 0.03 if preset.startswith("scripted") else 0.15
    wait, llm, tts, out = (x * rng.lognormal(0, scatter) for x in (wait, llm, tts, out))
    is_incomplete = preset == "cascade-stock" and rng.random() < 0.12
    if is_incomplete:
        wait += 3000 * rng.uniform(0.5, 1.0)
    final = wait - rng.uniform(10, 40)
    request = wait + rng.uniform(0.5, 2)
    handed = request + llm
    spoken = handed + rng.uniform(0.5, 2)
    byte = spoken + tts
    written = byte + rng.uniform(1, 4)
    return TurnPlan(
        vad_stop_ms=min(final, 210.0),
        verdict="incomplete" if is_incomplete else None,
        stt_final_ms=final,
        release_ms=wait,
        llm_request_ms=request,
        first_token_ms=request + llm * 0.4,
        to_tts_ms=handed,
        tts_request_ms=spoken,
        first_byte_ms=byte,
        write_ms=written,
        heard_ms=written + out,
        leading_ms=rng.uniform(20, 60),
    )


def write_example_run(run_dir: Path, *, trials: int = 30, seed: int = 1) -> None:
    """Writes a whole example run: three presets, some turns misheard, some not answered.

    Args:
        run_dir: The folder; made if it is missing.
        trials: Trials of each preset, each on a fixture of its own; the first is a warm-up.
        seed: The same seed gives the same run.
    """
    rng = np.random.default_rng(seed)
    number = 0
    for i in range(trials):
        for preset, (weights, *_) in _EXAMPLE_PRESETS.items():
            plan = _random_plan(preset, rng)
            if weights == "trained" and rng.random() < 0.1:
                plan = replace(plan, transcript="but a bed clock", answer="sorry I can not do that")
            if weights == "trained" and rng.random() < 0.05:
                plan = replace(plan, heard_ms=None)
            late = 30.0 if number == 20 else 0.2
            trial, marks, pcm = trial_of(
                [plan],
                preset=preset,
                fixture=f"cmd_example_{i:02d}",
                weights=weights,
                mouth_late_ms=late,
                t0_ns=T0_NS + number * 10**10,
            )
            path = save_recording(run_dir, trial.trial_id, pcm, RATE_HZ)
            started = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}Z"
            trial = replace(trial, recording=path, started_utc=started, warmup=i == 0)
            write_trial(run_dir, trial, marks)
            number += 1
    fixtures = [labels_of(f"cmd_example_{i:02d}", [TurnPlan()]) for i in range(trials)]
    write_info(
        run_dir,
        {
            "run_id": "example",
            "started_utc": "2026-01-01T00:00:00Z",
            "machine": {"cpu": "an example, measured nowhere", "cores": 2},
            "calibration": {"max_error_ms": 0.05, "heard": 20, "sent": 20},
            "fixtures": {labels.name: labels.to_dict() for labels in fixtures},
        },
    )
