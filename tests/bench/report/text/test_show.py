"""A trial's timeline as text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.metrics.recompute import analyse
from bench.report.text.trial import WIDTH, show
from bench.simulated.turns import TurnPlan, after_u_off, labels_of, trial_of
from bench.store.atomic import StoreError
from bench.store.expectation import Expectation
from bench.store.store import read_run, save_recording, write_info, write_trial
from bench.timeline.utterances import NOT_MARKED
from pipelines.clock import ns_to_samples
from pipelines.marks import EventName, Stage, stamp


def shown(folder: Path, plans: Sequence[TurnPlan], **changes: object) -> str:
    trial, marks, pcm = trial_of(plans)
    path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
    trial = replace(trial, recording=path)
    write_trial(folder, replace(trial, **changes), marks)  # type: ignore[arg-type]
    write_info(folder, {"fixtures": {trial.fixture: labels_of("f", plans).to_dict()}})
    return show(read_run(folder), trial.trial_id)


def test_a_turn_is_shown_with_what_was_said_heard_and_judged(tmp_path: Path) -> None:
    text = shown(tmp_path, [TurnPlan(transcript="put the bed block on the table")])
    assert "  said    put the red block on the table\n" in text
    assert "  heard   put the bed block on the table   (WER 14 %)\n" in text
    assert "  answer  I put the red block on the table\n" in text
    assert "  verdict right\n" in text
    assert "  voice to voice 384.0 ms\n" in text


def test_labels_that_were_proposed_are_said_to_be_so_beside_the_words(tmp_path: Path) -> None:
    said = "  said    put the red block on the table"
    assert f"{said}\n" in shown(tmp_path, [TurnPlan()])
    trial, _, _ = trial_of([TurnPlan()])
    labels = replace(labels_of("f", [TurnPlan()]), proposed=True)
    write_info(tmp_path, {"fixtures": {trial.fixture: labels.to_dict()}})
    text = show(read_run(tmp_path), trial.trial_id)
    assert f"{said}   (labels proposed, not checked)\n" in text


def test_events_stand_in_the_order_of_time_relative_to_u_off(tmp_path: Path) -> None:
    text = shown(tmp_path, [TurnPlan()])
    lines = [line for line in text.splitlines() if "●" in line or "‹" in line or "›" in line]
    times = [float(line[:9]) for line in lines]
    assert times == sorted(times)
    names = [line[11:].strip(" |●‹›").split()[0] for line in lines]
    path = ["user.speech_off", "turn.release", "llm.request", "tts.request", "link.write", "a_on"]
    assert [name for name in names if name in path] == path


def test_the_critical_path_stands_as_a_sum(tmp_path: Path) -> None:
    text = shown(tmp_path, [TurnPlan()])
    assert (
        "endpointing delay 250.0 + gap turn→LLM 2.0 + LLM 78.0 + gap LLM→TTS 1.0 + TTS 49.0" in text
    )
    assert "= 384.0 ms; residual (Σ gaps) 6.0 ms" in text


def test_a_turn_that_is_not_valid_says_why(tmp_path: Path) -> None:
    text = shown(tmp_path, [TurnPlan(transcript="a bed clock", answer="sorry")])
    assert "voice to voice 384.0 ms  NOT VALID  (WER 1.00 > 0.5)" in text


def test_no_answer_is_reported_and_the_path_says_where_it_breaks(tmp_path: Path) -> None:
    text = shown(tmp_path, [replace(TurnPlan(), heard_ms=None)], error="the TTS died")
    assert "error: the TTS died\n" in text
    assert "voice to voice –  (no answer)" in text
    assert "critical path: not whole, no link.write" in text


def test_turns_that_were_not_spoken_are_counted(tmp_path: Path) -> None:
    text = shown(tmp_path, [TurnPlan()], turns=3, status="cue_missed")
    assert "2 of 3 turns were not spoken." in text
    assert "status cue_missed" in text


def test_no_line_is_wider_than_100_columns(tmp_path: Path) -> None:
    wordy = TurnPlan(text="word " * 50, transcript="word " * 50, answer="so many words " * 20)
    text = shown(tmp_path, [wordy, TurnPlan(u_on_ms=5000, u_off_ms=7000)])
    assert max(map(len, text.splitlines())) == WIDTH
    assert "── turn 1 " in text


def test_an_answer_that_nobody_asked_for_is_reported_with_its_path(tmp_path: Path) -> None:
    text = shown(tmp_path, [TurnPlan(expect=Expectation(respond=False))])
    assert "voice to voice –  (no answer is expected here)" in text
    assert "verdict wrong (it spoke)" in text
    assert "= 384.0 ms; residual" in text


def test_a_trial_that_is_not_there_is_named(tmp_path: Path) -> None:
    shown(tmp_path, [TurnPlan()])
    with pytest.raises(StoreError, match="no trial 'other'"):
        show(read_run(tmp_path), "other")


def test_an_answer_can_neither_break_the_layout_nor_steer_the_terminal(tmp_path: Path) -> None:
    text = shown(tmp_path, [TurnPlan(answer="the red block\n\x1b[2Jon the table")], error="a\tb")
    assert r"  answer  the red block\n\x1b[2Jon the table" in text.splitlines()
    assert r"error: a\tb" in text.splitlines()
    assert "\x1b" not in text


def test_the_answer_that_is_shown_is_that_of_the_request_that_was_heard(tmp_path: Path) -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    t_ns = next(m.t_ns for m in marks if m.event == "speech_on") + 10**8
    cut = [
        stamp("llm", "request", t_ns=t_ns, request_id="early"),
        stamp("agent", "answer_text", t_ns=t_ns, request_id="early", text="I can not do that"),
    ]
    path = save_recording(tmp_path, trial.trial_id, pcm, trial.rate_hz)
    write_trial(tmp_path, replace(trial, recording=path), [*marks, *cut])
    write_info(tmp_path, {"fixtures": {trial.fixture: labels_of("f", [TurnPlan()]).to_dict()}})
    text = show(read_run(tmp_path), trial.trial_id)
    assert "  answer  I put the red block on the table\n  verdict right\n" in text


def test_what_a_bot_says_steers_no_terminal(tmp_path: Path) -> None:
    steering = "a\x1b]0;title\x07\x9b2J\x1b[31m\r\u202e"
    text = shown(tmp_path, [TurnPlan(transcript=steering, answer=steering)], error=steering)
    run = CliRunner().invoke(app, ["show", str(tmp_path)])
    listed = CliRunner().invoke(app, ["metrics", str(tmp_path)]).output
    assert analyse(tmp_path)
    listed += CliRunner().invoke(app, ["show", str(tmp_path)]).output + run.output
    assert "\\x1b]0;title" in text and "a\\x1b" in listed
    for out in (text, listed):
        assert not set("\x1b\x07\x9b\r\u202e") & set(out)


def test_a_filler_is_shown_with_the_way_to_the_answer_after_it(tmp_path: Path) -> None:
    """A line is heard 100 ms after the plan's 384, the answer at 1500 ms."""
    trial, marks, pcm = trial_of([TurnPlan()])
    marks = [m for m in marks if m.stage not in ("llm", "tts", "link", "ear", "agent")]

    def at(ms: float, stage: Stage, event: EventName, rid: str = "", **more: Any) -> None:
        marks.append(after_u_off(ms, stage, event, rid, **more))

    at(300, "tts", "request", "1", text="let me check.")
    at(374, "tts", "first_byte", "1")
    at(252, "llm", "request", "a")
    at(1300, "llm", "end", "a", text="it is red.")
    at(1301, "tts", "request", "a/2")
    at(1480, "tts", "first_byte", "a/2")
    for k, ms in enumerate((384, 1500)):
        at(ms - 5, "link", "write", f"g1:{k}", value=k * 4800)
        at(ms - 4, "ear", "received", f"g1:{k}", value=4800)
        at(ms, "ear", "heard", f"g1:{k}", value=4800)
    off = next(m.t_ns for m in marks if m.event == "speech_off")
    pcm[:, 1] = 0
    for ms in (384, 1500):
        first = ns_to_samples(off + round(ms * 1e6) - trial.t0_ns, trial.rate_hz)
        pcm[first : first + 4800, 1] = 6000
    path = save_recording(tmp_path, trial.trial_id, pcm, trial.rate_hz)
    write_trial(tmp_path, replace(trial, recording=path), marks)
    write_info(tmp_path, {"fixtures": {trial.fixture: labels_of("f", [TurnPlan()]).to_dict()}})
    text = show(read_run(tmp_path), trial.trial_id)
    assert (
        "  voice to voice 384.0 ms\n"
        "  filler  “let me check.”\n"
        "  time to content 1500.0 ms\n"
        "  endpointing delay 250.0 + gap turn→LLM 2.0 + LLM 1049.0 + TTS 179.0 + gap TTS→link 15.0"
        " +\n"
        "    output 5.0\n"
    ) in text
    assert (
        "  endpointing delay 250.0 + gap turn→LLM 50.0 + TTS 74.0 + gap TTS→link 5.0 + output 5.0"
        in text
    )


def test_where_a_filler_cannot_be_told_the_timeline_says_so(tmp_path: Path) -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    path = save_recording(tmp_path, trial.trial_id, pcm, trial.rate_hz)
    silent = [m for m in marks if m.stage != "tts"]
    write_trial(tmp_path, replace(trial, recording=path), silent)
    write_info(tmp_path, {"fixtures": {}})
    lines = show(read_run(tmp_path), trial.trial_id).splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("  time to content")]
    sentence = f"{lines[at]} {lines[at + 1].strip()}"
    assert sentence.startswith(f"  time to content – ({NOT_MARKED}")


def test_in_80_columns_long_texts_take_several_lines_and_no_word_is_broken(tmp_path: Path) -> None:
    said = "I will put the red block on the table beside the window, as you have asked me to"
    shown(tmp_path, [TurnPlan(text=said, transcript=said, answer=said)])
    run = read_run(tmp_path)
    text = show(run, run.trials[0].trial_id, width=80)
    assert max(map(len, text.splitlines())) == 80
    assert (
        "  answer  I will put the red block on the table beside the window, as you have\n"
        "          asked me to\n"
    ) in text
    (event,) = [line for line in text.splitlines() if "agent.answer_text" in line]
    assert event.index("|") < 37 and "…" not in text


def test_a_trial_is_text_and_no_other_format(tmp_path: Path) -> None:
    shown(tmp_path, [TurnPlan()])
    trial = tmp_path / read_run(tmp_path).trials[0].trial_id
    done = CliRunner().invoke(app, ["show", str(trial), "--format", "csv"])
    assert done.exit_code != 0
    assert "--format is for a run's figures; a trial's timeline is text" in str(done.exception)
