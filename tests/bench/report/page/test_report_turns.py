from dataclasses import replace

from bench.metrics.compute import compute
from bench.report.page.turns import cards
from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.simulated.turns import TurnPlan, labels_of, trial_of
from bench.store.store import read_run, save_recording, write_info, write_trial


def written(folder, plans, *, keep_recording=True, **changed):
    """The cards of a run with one trial; and the recordings that were handed out."""
    trial, marks, pcm = trial_of(plans)
    path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
    write_trial(folder, replace(trial, recording=path, **changed), marks)
    write_info(folder, {"fixtures": {trial.fixture: labels_of(trial.fixture, plans).to_dict()}})
    run = read_run(folder)
    rows = compute(run)
    if not keep_recording:
        (folder / path).unlink()
    heard = []

    def take(_trial, _marks, pcm):
        if pcm is not None:
            heard.append(len(pcm))

    return cards(run, rows, take, lambda *_: None), heard


def test_the_critical_path_lies_where_the_marks_are(tmp_path):
    found, heard = written(tmp_path, [TurnPlan()])  # u_off at 2000 ms
    (turn,) = found.turns
    assert [(s.lane, s.name, s.start, s.end) for s in turn.critical] == [
        ("turn", "endpointing_delay", 2000.0, 2250.0),
        ("llm", "gap", 2250.0, 2252.0),
        ("llm", "llm_to_clause", 2252.0, 2330.0),
        ("tts", "gap", 2330.0, 2331.0),
        ("tts", "tts_ttfa", 2331.0, 2340.0),
        ("out", "gap", 2340.0, 2343.0),
        ("out", "output", 2343.0, 2344.0),
        ("tts", "tts_ttfa", 2344.0, turn.a_on),
    ]
    assert abs(turn.a_on - 2384.0) < 0.05  # half a sample
    assert abs(turn.v2v - 384.0) < 0.05
    assert (turn.u_on, turn.u_off, turn.status, turn.reason) == (500.0, 2000.0, "valid", "")
    assert len(heard) == 1


def test_the_spans_of_the_critical_path_add_up_to_voice_to_voice(tmp_path):
    (turn,) = written(tmp_path, [TurnPlan(to_tts_ms=None)])[0].turns
    total = sum(span.end - span.start for span in turn.critical)
    assert abs(total - turn.v2v) < 0.05
    # Handing over is not marked: its time lies in the language model's.
    assert ("llm_to_clause", 2252.0, 2331.0) in [(s.name, s.start, s.end) for s in turn.critical]


def test_what_was_said_understood_and_meant_stands_on_the_card(tmp_path):
    plan = TurnPlan(transcript="but a bed clock", answer="no idea")
    (turn,) = written(tmp_path, [plan])[0].turns
    assert turn.said == "put the red block on the table"
    assert turn.heard == "but a bed clock"
    assert turn.answer == "no idea"
    assert turn.status == "invalid"
    assert turn.reason.startswith("WER")


def test_a_turn_without_an_answer_has_no_figure_and_says_why(tmp_path):
    (turn,) = written(tmp_path, [TurnPlan(heard_ms=None)])[0].turns
    assert (turn.status, turn.v2v, turn.a_on, turn.critical) == ("silent", None, None, ())
    assert turn.reason == "no answer"


def test_work_and_moments_lie_on_their_lanes(tmp_path):
    (turn,) = written(tmp_path, [TurnPlan()])[0].turns
    work = [(span.lane, span.start, span.end) for span in turn.work]
    assert ("vad", 800.0, 2200.0) in work
    assert ("llm", 2252.0, 2330.0) in work
    assert ("tts", 2331.0, None) in work  # no end is marked
    assert ("stt", "final transcript", 2230.0) in [(m.lane, m.name, m.at) for m in turn.moments]


def test_a_missing_recording_is_reported_and_costs_nothing_else(tmp_path):
    found, heard = written(tmp_path, [TurnPlan()], keep_recording=False)
    (trial,), (turn,) = found.trials, found.turns
    assert "recording is missing" in trial.problem
    assert (trial.envelope, heard) == (None, [])
    assert abs(turn.v2v - 384.0) < 0.05  # the figure was computed before


def test_warm_ups_are_left_out(tmp_path):
    found, _ = written(tmp_path, [TurnPlan()], warmup=True)
    assert (found.trials, found.turns) == ((), ())


def test_the_frames_of_a_duplex_model_lie_where_they_were_worked_on(tmp_path):
    trial, marks, _ = duplex_trial_of(DuplexPlan(frames=10, unpaced=5))
    write_trial(tmp_path, trial, marks)
    run = read_run(tmp_path)
    found = cards(run, compute(run), lambda *_: None, lambda *_: None)
    frames = found.trials[0].frames
    # Of ten frames the last is still on its way; the unpaced session is not the conversation.
    assert frames["start"] == [80.6 + 80 * k for k in range(9)]
    assert frames["encoded"] == [90.6 + 80 * k for k in range(9)]
    assert frames["frame_out"] == [141.1 + 80 * k for k in range(9)]
