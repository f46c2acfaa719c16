"""Closed vocabularies: mypy finds a misspelt word before anything runs, and the lists agree."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from bench.store.labels import EVENTS as USER_EVENTS
from bench.store.labels import UserEvent
from pipelines.marks import EVENTS, EventName, Stage

ROOT = Path(__file__).parent.parent
PAIRS = (
    ('trial.status == "cue_missed"', 'trial.status == "cue_mised"'),
    ('trial.weights == "synthetic"', 'trial.weights == "syntetic"'),
    ('trial.kind == "duplex"', 'trial.kind == "full-duplex"'),
    ('mark.stage == "tts"', 'mark.stage == "ttts"'),
    ('mark.event == "first_token"', 'mark.event == "frist_token"'),
    ('stamp("llm", "first_token")', 'stamp("lm", "first_token")'),
    ('stamp("llm", "first_token")', 'stamp("llm", "first_tokn")'),
    ('emit.mark("stt", "final")', 'emit.mark("stt", "finale")'),
    ('timeline.all("ear", "heard")', 'timeline.all("ear", "herd")'),
    ('Cue("agent_onset", 600)', 'Cue("agent_start", 600)'),
    ('cue.after == "agent_end"', 'cue.after == "agent_ended"'),
    ('turn.event == "backchannel"', 'turn.event == "back_channel"'),
    ('fixture.kind == "barge_in"', 'fixture.kind == "bargein"'),
    ('spec.weights == "scripted"', 'spec.weights == "script"'),
    ('gate.kind == "ratio"', 'gate.kind == "ratios"'),
    ('outcome.state == "holds"', 'outcome.state == "hold"'),
    ('compared.scale == "rate"', 'compared.scale == "rates"'),
    ('face.event("user_started", 0.0)', 'face.event("user_start", 0.0)'),
)
"""A line that is right, and the same with a word misspelt."""
HEAD = """\
from bench.compare.compare import Compared
from bench.compare.gate import Gate, Outcome
from bench.fixtures.fixture import Cue, Fixture, Turn
from bench.store.records import Trial
from bench.timeline.timeline import Timeline
from pipelines.face.track import FaceTrack
from pipelines.marks import Mark, stamp
from pipelines.process.engine import Emit
from pipelines.spec import PipelineSpec


def lines(
    trial: Trial, mark: Mark, emit: Emit, timeline: Timeline, cue: Cue, turn: Turn,
    fixture: Fixture, spec: PipelineSpec, gate: Gate, outcome: Outcome, compared: Compared,
    face: FaceTrack,
) -> None:
"""


def test_mypy_finds_every_misspelt_word_and_nothing_else(tmp_path):
    snippet = tmp_path / "snippet.py"
    lines = [line for pair in PAIRS for line in pair]
    snippet.write_text(HEAD + "".join(f"    {line}\n" for line in lines), encoding="utf-8")
    # The cache of `make types`, where there is one: a second instead of ten.
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), str(snippet)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    first = HEAD.count("\n") + 1
    found = {int(n) - first for n in re.findall(r"snippet\.py:(\d+): error", done.stdout)}
    missed = [lines[i] for i in range(1, len(lines), 2) if i not in found]
    wrong = [line for line in done.stdout.splitlines() if ": error" in line]
    assert missed == []
    assert found == set(range(1, len(lines), 2)), wrong


def test_every_stage_and_every_event_has_a_row():
    assert {stage for stage, _ in EVENTS} == set(get_args(Stage))
    assert {event for _, event in EVENTS} == set(get_args(EventName))


def test_what_the_user_does_over_the_agent_is_listed_but_for_nothing():
    assert set(USER_EVENTS) == set(get_args(UserEvent)) - {""}
