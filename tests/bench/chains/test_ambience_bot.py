"""A bot whose channel is never silent, in virtual time: its answer is found above its ambience."""

import pytest

from tests.bench.chains.virtual_call import call


@pytest.mark.parametrize("greets", [False, True])
def test_the_answer_of_a_bot_with_ambience_is_heard_above_it(greets):
    called = call("ambience", greets=greets)
    assert (called.trial.status, called.trial.error) == ("ok", None)
    stop = called.since_end_ms("vad", "speech_stop")[-1]
    row = called.row("voice_to_voice")
    # 0.3 s of silence end the turn, the model takes 0.8 s, and at most one chunk of ambience
    # and 40 ms of the link's buffer lie before the voice.
    assert 0 <= row.value - (stop + 300 + 800) < 100
    assert (row.valid, row.reason) == (
        True,
        "heard above −30 dBFS: the agent's ambience is −40 dBFS",
    )
    (level_dbfs,) = called.values("ambience")
    assert level_dbfs == pytest.approx(-40, abs=0.5)
    assert called.ms("answers_per_turn") == 1.0
    assert called.ms("task_success") == 100.0
    # The caller heard that the answer was over, and hung up 1.5 s later.
    fell_silent_s = (called.times("ear", "agent_end")[-1] - called.trial.t0_ns) / 1e9
    assert called.trial.audio_s == pytest.approx(fell_silent_s + 1.5, abs=0.02)
