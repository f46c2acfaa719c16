"""A class that nobody taught: submissions of lab 5a with one thing wrong in each, for tests.

The runs in them were never measured: marks, recordings and figures are made so that they fit. That
the grader finds nothing wrong with `perfect` is the limit that its pages tell of.
"""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench import machine, store
from bench.analysis import analyse
from bench.example_run import RATE_HZ, TurnPlan, trial_of
from bench.fixtures import Fixture, fixtures_root, load, read_pcm
from bench.lateness import with_lateness
from bench.recording import USER, read_recording, write_recording
from bench.run import labels_of
from labs import catalogue
from labs.lab5a_cascade.measuring import ARCHITECTURE, FEW, MANY
from labs.pack import pack
from labs.start import copy_starter
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.marks import Mark, stamp

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPEAKS_AT_MS = 500.0
"""When the user's audio begins, in every trial."""
WAIT_MS = {"base": 560.0, "faster": 260.0}
"""Preset → its typical turn wait."""
SERVICES = ("SphinxSTTService", "CreatureLLMService", "EspeakTTSService")

Change = Callable[[Path], None]


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
    """A working folder in which all that lab 5a asks for is done.

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


# What is wrong: each changes a working folder


def _wrong_floor(folder: Path) -> None:
    _replace(folder / "floor.py", "return sum(", "return max(")


def _edited_figures(folder: Path) -> None:
    run = folder / "results" / "base"
    rows = store.read_metrics(run)
    edited = [
        replace(r, value=r.value / 2) if r.metric == "voice_to_voice" and r.value else r
        for r in rows
    ]
    store.write_metrics(run, edited)


def _edited_marks(folder: Path) -> None:
    """The ear's marks of one trial are moved 100 ms forward, and the figures computed anew."""
    run = folder / "results" / "base"

    def earlier(mark: Mark) -> Mark:
        moved = mark.stage in ("ear", "link") and mark.event != "chunk_in"
        return replace(mark, t_ns=mark.t_ns - 100 * NS_PER_MS) if moved else mark

    _rewrite(run, lambda trial_id, marks: [earlier(m) for m in marks])


def _rewrite(run_dir: Path, change: Callable[[str, list[Mark]], list[Mark]]) -> None:
    run = store.read_run(run_dir)
    (run_dir / "trials.parquet").unlink()
    (run_dir / "marks.parquet").unlink()
    for trial in run.trials:
        marks = change(trial.trial_id, run.marks(trial.trial_id))
        store.write_trial(run_dir, with_lateness(trial, marks, run.recording(trial)), marks)
    analyse(run_dir)


def _other_fixture(folder: Path) -> None:
    """The recording of one sentence stands where that of another belongs."""
    audio = folder / "results" / "base" / "audio"
    shutil.copy(audio / "base.cmd_dance.0.flac", audio / "base.cmd_wave.0.flac")
    analyse(folder / "results" / "base")


def _shifted_answer(folder: Path) -> None:
    """In the recordings the agent answers 120 ms earlier; the figures are computed anew."""
    run = folder / "results" / "base"
    for path in (run / "audio").glob("*.flac"):
        pcm, rate_hz = read_recording(path)
        cut = rate_hz * 120 // 1000
        pcm[:-cut, 1] = pcm[cut:, 1].copy()
        write_recording(path, pcm, rate_hz)
    analyse(run)


def _incomplete(folder: Path) -> None:
    shutil.copy(catalogue.folder("5a") / "starter" / "answers.toml", folder)
    (folder / "waterfall.py").unlink()


def _code(body: str) -> Change:
    def change(folder: Path) -> None:
        text = f"import os, socket, sys, time\n\n\ndef predict_floor(stages):\n{body}\n"
        (folder / "floor.py").write_text(text, encoding="utf-8")

    return change


SUM = "    return sum(sorted(v)[len(v) // 2] for v in stages.values())"

CHANGES: Mapping[str, Change] = {
    "honest": lambda folder: None,
    "incomplete": _incomplete,
    "wrong": _wrong_floor,
    "edited-figures": _edited_figures,
    "edited-marks": _edited_marks,
    "other-fixture": _other_fixture,
    "shifted-answer": _shifted_answer,
}
"""Name → what is wrong with its runs, or its answers."""
CODE: Mapping[str, Change] = {
    "endless-loop": _code("    while True: pass"),
    "memory-hog": _code(f"    held = bytearray(8 * 2**30)\n{SUM}"),
    "fork-bomb": _code("    while True:\n        try: os.fork()\n        except OSError: pass"),
    "flood": _code("    while True: print('x' * 10**6)"),
    "crash": _code("    os._exit(3)"),
    "network": _code(f"    socket.create_connection(('127.0.0.1', PORT), 2).close()\n{SUM}"),
    "spy": _code(f"    assert not os.path.exists('/etc/passwd')\n{SUM}"),
    "vandal": _code(f"    open('/submission/floor.py', 'w').write('')\n{SUM}"),
}
"""Name → what its code does; there are no runs. `PORT` in ``network`` is to be replaced."""


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{path}: {old!r} is not in it")
    path.write_text(text.replace(old, new), encoding="utf-8")


def make_class(folder: Path, port: int = 9) -> list[Path]:
    """Writes a class's submissions.

    Args:
        folder: Where the zips go.
        port: On this machine, to which ``network`` tries to connect.

    Returns:
        The zips: perfect, one for each of `CHANGES` and `CODE`, a copied one, and broken ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lab = catalogue.load("5a")
    work = folder / ".work"
    write_perfect(work / "perfect", seed=1)
    pack(lab, work / "perfect", "perfect", folder / "perfect.zip")
    for seed, (name, change) in enumerate({**CHANGES, **CODE}.items(), start=2):
        own = work / name
        write_perfect(own, seed, runs="" if name in CODE else "base")
        change(own)
        if name == "network":
            _replace(own / "floor.py", "PORT", str(port))
        pack(lab, own, name, folder / f"{name}.zip")
    shutil.copytree(work / "honest", work / "copied")
    pack(lab, work / "copied", "copied", folder / "copied.zip")
    whole = (folder / "honest.zip").read_bytes()
    (folder / "broken.zip").write_bytes(whole[: len(whole) // 2])
    (folder / "no-zip.zip").write_text("I was ill", encoding="utf-8")
    shutil.copy(folder / "honest.zip", folder / "late-change.zip")
    with zipfile.ZipFile(folder / "late-change.zip", "a") as archive:
        archive.writestr("results/base/notes.txt", "added")
    with zipfile.ZipFile(folder / "traversal.zip", "w") as archive:
        archive.writestr("../../outside.txt", "out")
    with zipfile.ZipFile(folder / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("answers.toml")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prosody.csv", bytes(64 * 2**20))
    with zipfile.ZipFile(folder / "crowd.zip", "w") as archive:
        for i in range(2500):
            archive.writestr(f"roundtrip/{i}.wav", "")
    with zipfile.ZipFile(folder / "other-lab.zip", "w") as archive:
        archive.writestr("submission.json", json.dumps({"lab": "9z", "files": {}}))
    shutil.rmtree(work)
    return sorted(folder.glob("*.zip"))
