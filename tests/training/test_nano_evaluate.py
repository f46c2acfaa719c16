"""The evaluator of duplex-nano: the text stream's figures, and whole runs with known answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.simulated.turn_taking import TurnTakingPlan, turn_taking_labels_of, turn_taking_trial_of
from bench.store.expectation import Expectation
from bench.store.labels import FixtureLabels
from bench.store.store import read_run, save_recording, write_info, write_trial
from bench.timeline.timeline import reconstruct
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.kinds import Weights
from pipelines.marks import Mark, stamp
from training.nano_duplex.evaluate import main, read_codec
from training.nano_duplex.monologue import replies_in_text, text_rows
from training.nano_duplex.verdicts import as_json, evaluate, markdown

WANTS = Expectation(slots={"object": ("block",)})
PLAN = TurnTakingPlan(ending="yielded", pauses=((900.0, 1500.0),))


def labels_of(plan: TurnTakingPlan) -> FixtureLabels:
    labels = turn_taking_labels_of("floor_example", plan)
    turns = (replace(t, expect=WANTS) if t.expect.respond else t for t in labels.turns)
    return FixtureLabels(labels.name, tuple(turns))


def trial_with(plan: TurnTakingPlan, words: dict[float, str], weights: Weights = "trained"):
    """A trial of a duplex model whose text stream holds these words, ms after t0 → word."""
    trial, marks, pcm = turn_taking_trial_of(plan, weights=weights)
    trial = replace(trial, kind="duplex")
    texts: list[Mark] = [
        stamp("duplex", "text", t_ns=trial.t0_ns + round(ms * NS_PER_MS), text=f" {word}")
        for ms, word in words.items()
    ]
    marks.append(stamp("duplex", "frame_in", t_ns=trial.t0_ns + 80 * NS_PER_MS, value=0.0))
    marks.append(stamp("duplex", "frame_out", t_ns=trial.t0_ns + 4050 * NS_PER_MS, value=0.0))
    return trial, [*marks, *texts], pcm


def text_figures(plan: TurnTakingPlan, words: dict[float, str]) -> dict:
    trial, marks, pcm = trial_with(plan, words)
    timeline = reconstruct(trial, marks, pcm)
    rows = text_rows(trial, timeline, labels_of(plan))
    return {(row.turn, row.metric.removeprefix("text_")): row.value for row in rows}


def spread(text: str, start_ms: float, step_ms: float = 240.0) -> dict[float, str]:
    return {start_ms + i * step_ms: word for i, word in enumerate(text.split())}


def test_a_reply_of_the_text_ends_with_a_second_of_silence():
    words = spread("the red block", 2300) | spread("and more", 3800)
    trial, marks, pcm = trial_with(PLAN, words)
    said = list(replies_in_text(reconstruct(trial, marks, pcm)))
    assert [reply.text for reply in said] == ["the red block", "and more"]


def test_what_follows_the_users_end_is_a_new_reply_though_the_silence_was_short():
    # The user's second turn goes from 4000 to 5500 ms.
    words = spread("on and on and on", 4000, 200) | spread("yes", 5520) | spread("sir", 5720)
    trial, marks, pcm = trial_with(PLAN, words)
    said = list(replies_in_text(reconstruct(trial, marks, pcm)))
    assert [reply.text for reply in said] == ["on and on and on", "yes sir"]


def test_right_words_at_the_right_time_are_right_in_the_text():
    found = text_figures(PLAN, spread("i take the block", 2300) | spread("the block it is", 5700))
    assert (found[0, "success"], found[1, "success"]) == (100.0, 100.0)
    assert (found[0, "takeover_strict"], found[1, "takeover_strict"]) == (100.0, 100.0)
    assert (found[0, "pauses"], found[0, "pause_onsets"]) == (1.0, 0.0)


def test_wrong_words_and_words_in_a_pause_are_wrong_in_the_text():
    found = text_figures(PLAN, spread("i take the sock", 1000))
    assert found[0, "success"] == 0.0
    assert found[0, "takeover_strict"] == 0.0
    assert found[0, "pause_onsets"] == 1.0


def test_text_goes_on_through_a_backchannel_or_does_not():
    plan = TurnTakingPlan(event="backchannel", ending="itself", speaks=(4000.0, 4300.0))
    long, short = spread("a b c d e f g h i j k l m n o p", 2300), spread("a b c d e f g h", 2300)
    assert text_figures(plan, long)[1, "false_interruption"] == 0.0
    assert text_figures(plan, short)[1, "false_interruption"] == 100.0
    assert text_figures(plan, spread("a b", 2300))[1, "false_interruption"] is None


def test_a_backchannel_that_ends_between_two_slow_words_does_not_part_a_reply():
    plan = TurnTakingPlan(event="backchannel", ending="itself", speaks=(4000.0, 4300.0))
    trial, marks, pcm = trial_with(plan, spread("a b c d e f g h i j", 2300, 480))
    timeline = reconstruct(trial, marks, pcm)
    said = list(replies_in_text(timeline, labels_of(plan)))
    assert [reply.text for reply in said] == ["a b c d e f g h i j"]
    assert len(list(replies_in_text(timeline))) == 2


def test_without_a_stream_of_frames_nothing_is_said_of_the_text():
    trial, marks, pcm = turn_taking_trial_of(TurnTakingPlan())
    assert not list(text_rows(trial, reconstruct(trial, marks, pcm), labels_of(TurnTakingPlan())))


def write(
    run_dir, plan: TurnTakingPlan, words: dict[float, str], weights: Weights, heard: str = ""
) -> None:
    trial, marks, pcm = trial_with(plan, words, weights)
    said = " ".join(words.values())
    if said:
        first = trial.t0_ns + round(min(words) * NS_PER_MS)
        marks.append(stamp("agent", "answer_text", t_ns=first, turn=0, text=said))
        marks.append(stamp("ear", "transcript", t_ns=first, turn=0, text=heard))
    else:
        pcm[:, 1] = 0
        marks += [stamp("ear", "transcript", t_ns=trial.t0_ns, turn=i, text="") for i in (0, 1)]
        marks = [m for m in marks if (m.stage, m.event) != ("duplex", "yielded")]
    path = save_recording(run_dir, trial.trial_id, pcm, trial.rate_hz)
    write_trial(run_dir, replace(trial, recording=path, status="ok"), marks)
    fixtures = {trial.fixture: labels_of(plan).to_dict()}
    write_info(run_dir, {"run_id": "example", "fixtures": fixtures})


def verdicts(run_dir) -> dict[str, tuple]:
    found = evaluate([read_run(run_dir)], "example")
    return {j.gate.name: (j.figure.value, j.figure.n, j.verdict) for j in found.gates}


def test_a_double_is_judged_as_if_it_were_trained_and_is_called_a_double(tmp_path):
    write(tmp_path, PLAN, spread("i take the block", 2300), "scripted", heard="take the block")
    found = evaluate([read_run(tmp_path)], "example")
    assert found.double and "### example (a double)" in markdown(found)
    gates = verdicts(tmp_path)
    assert gates["intent and slots right, in the text"] == (50.0, 2, "missed")  # 1 of 2 turns
    assert gates["turn taken at its end, as heard"][1] == 2
    assert gates["began in a labelled pause, as heard"] == (0.0, 1, "met")
    assert gates["heard gap p50, B = 0"][:2] == (pytest.approx(500), 1)
    assert gates["stop after an interruption p50"][:2] == (pytest.approx(350), 1)
    assert found.wer.value is None or found.wer.n >= 0
    assert read_run(tmp_path).trials[0].weights == "scripted"


def test_who_says_nothing_is_right_nowhere_starts_early_nowhere_and_is_not_timed(tmp_path):
    write(tmp_path, PLAN, {}, "scripted")
    gates = verdicts(tmp_path)
    for name in ("intent and slots right, in the text", "intent and slots right, as heard"):
        assert gates[name] == (0.0, 2, "missed")
    for name in ("turn taken at its end, in the text", "turn taken at its end, as heard"):
        assert gates[name] == (0.0, 2, "missed")
    for name in ("began in a labelled pause, in the text", "began in a labelled pause, as heard"):
        assert gates[name] == (0.0, 1, "met")
    for name in ("heard gap p50, B = 0", "stop after an interruption p50"):
        assert gates[name] == (None, 0, "open")
    found = evaluate([read_run(tmp_path)], "example")
    assert found.voices == 0 and found.faults.periodicity is None
    assert found.wer.value is None


def test_the_verdicts_are_json_without_nan(tmp_path):
    write(tmp_path, PLAN, spread("i take the sock", 2300), "trained", heard="take the sock")
    found = evaluate([read_run(tmp_path)], "example")
    table = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert {gate["verdict"] for gate in table["gates"]} == {"met", "missed", "open"}
    assert table["failures"][0]["text"] == "i take the sock"
    assert table["failures"][0]["heard"] == "take the sock"


def test_synthetic_weights_and_an_unknown_preset_are_refused(tmp_path):
    write(tmp_path, PLAN, {}, "synthetic")
    with pytest.raises(LabError, match="are synthetic"):
        evaluate([read_run(tmp_path)], "example")
    with pytest.raises(LabError, match="no trial of 'another'"):
        evaluate([read_run(tmp_path)], "another")


def test_bad_arguments_get_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--run", str(tmp_path / "nowhere")])
    assert "no such folder" in capsys.readouterr().err
    path = tmp_path / "codec.json"
    with pytest.raises(LabError, match="no such file"):
        read_codec(path)
    path.write_text('{"codec_wer": "low"}')
    with pytest.raises(LabError, match="needs numbers"):
        read_codec(path)
    path.write_text('{"codec_wer": 3.5, "n": 40}')
    assert read_codec(path).codec_wer == 3.5
    assert np.isfinite(read_codec(path).n)


def test_several_runs_of_a_preset_are_judged_together(tmp_path):
    write(tmp_path / "a", PLAN, {}, "trained")
    write(tmp_path / "b", PLAN, spread("i take the block", 2300), "trained", heard="the block")
    runs = [read_run(tmp_path / name) for name in "ab"]
    found = evaluate(runs, "example")
    # Both hold the same turns, which so are repeats: the first is right in one of two.
    gates = {j.gate.name: (j.figure.value, j.figure.n) for j in found.gates}
    assert gates["intent and slots right, in the text"] == (25.0, 2)


def test_words_of_an_answer_that_the_user_broke_into_are_not_judged():
    # The user's second turn begins at 4000 ms, the text stops 300 ms later.
    found = text_figures(PLAN, spread("i see so many things in this", 2600))
    assert found[0, "success"] is None
    # It ends at 5500 ms; one that speaks on for more than a second after that was not stopped.
    found = text_figures(PLAN, spread("i see so many things " + "and on " * 8, 2600))
    assert found[0, "success"] == 0.0
