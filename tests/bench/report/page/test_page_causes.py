"""The page's turn panel gets each turn's known causes from the run's table."""

from bench.report.page.known_causes import known_causes
from bench.report.page.turns import KnownCause
from bench.simulated.turns import TurnPlan, causes_of


def test_a_turns_causes_stand_with_sentence_mend_and_what_was_seen():
    rows = causes_of([TurnPlan()])
    ((key, of),) = known_causes(list(rows.values())).items()
    assert key == ("example.cmd_example.0", 0)
    first: KnownCause = of[0]
    assert [one.lost_ms for one in of] == [200.0, 50.0]
    assert first.sentence.startswith("The VAD says that speech has stopped only after stop_secs")
    assert first.mend.startswith("Lower VADParams.stop_secs")
    assert first.detail == "stop_secs = 0.2"
