"""How ``show`` names causes: in the run's table, in a sentence on slow turns, and in a turn."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.causes.table import BY_NAME
from bench.cli.main import app
from bench.metrics.recompute import analyse
from bench.report.text.causes import cause_blocks
from bench.report.text.trial import WIDTH, show
from bench.simulated.turns import TurnPlan, labels_of, trial_of
from bench.store.store import read_run, save_recording, write_info, write_trial
from bench.summary.causes import PresetCauses, Tally

LATE = TurnPlan(
    verdict="incomplete",
    release_ms=3252.0,
    llm_request_ms=3253.0,
    first_token_ms=3280.0,
    to_tts_ms=3330.0,
    tts_request_ms=3331.0,
    first_byte_ms=3340.0,
    write_ms=3343.0,
    heard_ms=3344.0,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three turns of one trial, the last of them slow."""
    folder = tmp_path_factory.mktemp("causes") / "run"
    plans = [
        TurnPlan(),
        TurnPlan(u_on_ms=6000.0, u_off_ms=7500.0),
        replace(LATE, u_on_ms=12000.0, u_off_ms=13500.0),
    ]
    trial, marks, pcm = trial_of(plans)
    path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
    write_trial(folder, replace(trial, recording=path), marks)
    write_info(folder, {"fixtures": {trial.fixture: labels_of("f", plans).to_dict()}})
    return folder


TURN = """\
  causes  +3,012 ms: smart-turn said incomplete (probability of complete 0.25)
            mend: Lower the limit: LocalSmartTurnAnalyzerV3"""


def test_a_turn_lists_its_causes_with_the_mend_of_the_largest(run: Path) -> None:
    of_turn = show(read_run(run), "example.cmd_example.0").split("── turn 2 ")[1]
    assert TURN in of_turn
    assert "\n          +200 ms: the VAD waited for silence (stop_secs = 0.2)\n" in of_turn
    assert max(map(len, of_turn.splitlines())) <= WIDTH


def test_a_run_from_before_the_table_says_how_to_get_it_and_then_names_its_slow_turns(
    run: Path,
) -> None:
    analyse(run)
    (run / "causes.parquet").unlink()
    before = CliRunner().invoke(app, ["show", str(run)]).output
    assert f"causes: not computed yet for this run; run: duplex-lab metrics {run}" in before
    analyse(run)
    first = " ".join(CliRunner().invoke(app, ["show", str(run)]).output.split())
    assert (
        "example: 1 of 3 turns took 3.4 s: smart-turn said incomplete; see "
        f"duplex-lab show {run}/example.cmd_example.0 (turn 2)"
    ) in first
    after = CliRunner().invoke(app, ["show", str(run), "--all"]).output
    assert after.count("1 of 3 turns took 3.4 s") == 1  # once, whatever tables follow
    row = next(line for line in after.splitlines() if "smart-turn said incomplete  " in line)
    assert row.split()[-3:] == ["1/3", "+3,012", "+3,012"]


def test_a_loss_of_something_else_than_the_answer_says_of_what() -> None:
    cause = replace(BY_NAME["vad_stop_secs"], loses="stop")
    tally = Tally(cause, 2, 1234.4, 2000.0, ("a", 0), 2468.8)
    (block,) = cause_blocks([PresetCauses("bot", 20, (tally,), ())])
    assert block.rows == (
        (
            "bot",
            "the VAD waited for silence (of the stop for an interruption)",
            "2/20",
            "+1,234",
            "+2,000",
        ),
    )


def test_a_run_without_causes_has_no_table_of_them() -> None:
    assert cause_blocks([PresetCauses("bot", 20, (), ())]) == []
