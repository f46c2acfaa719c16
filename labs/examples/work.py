"""Lab 5a, all done, made up: runs that were never measured, whose marks and audio fit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.fixtures.labels import labels_of
from bench.fixtures.library import Fixture, fixtures_root, load, read_pcm
from bench.machine import description as machine
from bench.metrics.recompute import analyse
from bench.simulated.turns import RATE_HZ, TurnPlan, trial_of
from bench.store import store
from bench.store.recording import USER
from bench.timeline.lateness import with_lateness
from labs import catalogue
from labs.lab5a_cascade.measuring import ARCHITECTURE, FEW, MANY
from labs.start import copy_starter
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.marks import Mark, stamp

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPEAKS_AT_MS = 500.0
"""Start of the user's audio in every trial."""
WAIT_MS = {"base": 560.0, "faster": 260.0}
"""Preset → its typical endpointing delay."""
SERVICES = ("ModelSTTService", "ModelLLMService", "ModelTTSService")


def write_run(
    folder: Path, presets: Sequence[str], fixtures: Sequence[str], rng: np.random.Generator
) -> None:
    """Writes a run that fits: each preset on each fixture, a warm-up first."""
    loaded = [load(fixtures_root() / f"{name}.toml") for name in fixtures]
    order = [(p, loaded[0], True) for p in presets]
    order += [(p, fixture, False) for fixture in loaded for p in presets]
    t0_ns = int(rng.integers(10**12, 10**13))
    began_ns = t0_ns
    for preset, fixture, warmup in order:
        utc = BEGAN + timedelta(seconds=(t0_ns - began_ns) / NS_PER_S)
        seconds = _write_trial(folder, preset, fixture, warmup, t0_ns, utc, rng)
        t0_ns += round((seconds + 1.0) * NS_PER_S)
    stops = {"base": 0.5, "faster": 0.2}
    table = {
        preset: {
            "architecture": ARCHITECTURE,
            "weights": "trained",
            "audio": {"in_rate_hz": 16_000, "out_rate_hz": RATE_HZ},
            "stages": {
                "turns": {"preset": "vad", "vad_stop_secs": stops[preset]},
                "tts": {"engine": "espeak", "aggregation": "sentence"},
            },
        }
        for preset in presets
    }
    info = {
        "run_id": folder.name,
        "presets": table,
        "sessions": [{}],
        "machine": {"commit": machine.describe()["commit"]},
        "fixtures": {fixture.name: labels_of(fixture).to_dict() for fixture in loaded},
    }
    store.write_info(folder, info)
    analyse(folder)


def _write_trial(
    folder: Path,
    preset: str,
    fixture: Fixture,
    warmup: bool,
    t0_ns: int,
    utc: datetime,
    rng: np.random.Generator,
) -> float:
    """One trial on disk; returns its length in s."""
    turn = fixture.turns[0]
    wait = float(WAIT_MS[preset] * rng.lognormal(0, 0.05))
    llm = float(30 * rng.lognormal(0, 0.2))
    leading_ms = 100 / RATE_HZ * 1000
    plan = TurnPlan(
        u_on_ms=SPEAKS_AT_MS + turn.u_on_sample / turn.rate_hz * 1000,
        u_off_ms=SPEAKS_AT_MS + (turn.u_off_sample + 1) / turn.rate_hz * 1000,
        text=turn.text,
        transcript=turn.text,
        expect=turn.expect,
        stt_final_ms=wait - 5,
        release_ms=wait,
        llm_request_ms=wait + 0.6,
        first_token_ms=wait + 0.6 + llm / 2,
        to_tts_ms=wait + 0.6 + llm,
        tts_request_ms=wait + 0.9 + llm,
        first_byte_ms=wait + 2 + llm,
        write_ms=wait + 4 + llm,
        heard_ms=wait + 4.3 + llm,
        leading_ms=leading_ms,
    )
    trial, marks, pcm = trial_of([plan], preset=preset, fixture=fixture.name, t0_ns=t0_ns)
    marks = _as_the_lab_stamps(marks, plan, t0_ns, fixture)
    spoken = np.zeros(round(len(pcm) * 16_000 / RATE_HZ) + 16_000, np.int16)
    audio = read_pcm(turn)
    first = round(SPEAKS_AT_MS * 16)
    spoken[first : first + len(audio)] = audio
    pcm[:, USER] = resample(spoken, 16_000, RATE_HZ)[: len(pcm)]
    name = f"{preset}.{fixture.name}.{'warmup0' if warmup else 0}"
    trial = replace(
        trial,
        run_id=folder.name,
        trial_id=name,
        warmup=warmup,
        fixture_sha256=fixture.sha256,
        started_utc=utc.isoformat(timespec="milliseconds"),
        audio_s=len(pcm) / RATE_HZ,
        chunks_sent=sum((m.stage, m.event) == ("user", "chunk_sent") for m in marks),
        recording=store.save_recording(folder, name, pcm, RATE_HZ),
    )
    store.write_trial(folder, with_lateness(trial, marks, pcm), marks)
    return trial.audio_s


def _as_the_lab_stamps(
    marks: Sequence[Mark], plan: TurnPlan, t0_ns: int, fixture: Fixture
) -> list[Mark]:
    """The example's marks with the ids, limits and metrics that a real run of the lab has."""
    starts_ns = t0_ns + round(SPEAKS_AT_MS * NS_PER_MS)
    ends_ns = starts_ns + round(fixture.turns[0].duration_s * NS_PER_S)
    placed = {"turn_start": (starts_ns, SPEAKS_AT_MS * 16), "turn_end": (ends_ns, None)}
    found = []
    for mark in marks:
        if mark.stage == "tts":
            mark = replace(mark, request_id=f"l0/{mark.request_id}")
        if mark.stage == "user" and mark.event in placed:
            t_ns, value = placed[mark.event]
            mark = replace(mark, t_ns=t_ns, value=value)
        found.append(mark)
        if (mark.stage, mark.event) == ("tts", "first_byte"):
            index = plan.leading_ms * RATE_HZ / 1000
            found.append(replace(mark, event="first_audible", value=round(index)))
            for service in SERVICES:
                text = f"{service}#0"
                found.append(stamp("pipecat", "ttfb", t_ns=mark.t_ns, value=0.02, text=text))
    return sorted(found, key=lambda m: m.t_ns)


def write_perfect(folder: Path, seed: int, *, runs: str = "base pair") -> None:
    """A working folder in which everything of lab 5a is done.

    Args:
        folder: Made.
        seed: The same seed gives the same runs.
        runs: Which runs it has measured; picture, table and answers are there with both only.
    """
    rng = np.random.default_rng(seed)
    copy_starter("5a", folder)
    shutil.copytree(catalogue.folder("5a") / "solution", folder, dirs_exist_ok=True)
    if "base" in runs:
        write_run(folder / "results" / "base", ["base"], FEW.split(","), rng)
    if "pair" in runs:
        write_run(folder / "results" / "pair", ["base", "faster"], MANY.split(","), rng)
        subprocess.run([sys.executable, "solve.py", "--measured"], cwd=folder, check=True)
