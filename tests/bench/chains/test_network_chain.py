"""A whole pipeline over a simulated network, in virtual time: what the delay does to its answer."""

import json

from bench.summary.network import network_line
from bench.timeline.timeline import reconstruct
from pipelines.spec import parse_spec
from tests.bench.chains.virtual_call import BOTS, call_preset, kitchen

BOT = f"[bot]\nfile = 'plain.py'\nfolder = {json.dumps(str(BOTS))}\ngreeting_s = 0\n"


def called_over(table):
    return call_preset(parse_spec("plain", BOT + table), kitchen())


def test_a_delay_of_d_each_way_makes_the_answer_exactly_two_d_later_and_nothing_else():
    near = called_over("")
    far = called_over("[network.up]\ndelay_ms = 80\n[network.down]\ndelay_ms = 80\n")
    assert far.trial.status == "ok"
    later_ms = (far.ms("voice_to_voice") or 0) - (near.ms("voice_to_voice") or 0)
    assert later_ms == 160
    assert (far.ms("network_up_ms"), far.ms("network_down_ms")) == (80, 80)
    assert near.row("network_up_ms").reason == "no network was simulated"
    # Neither the ruler nor the agent's loop is charged with it.
    for metric in ("mouth_lateness_max", "ear_lateness_max", "loop_lag_max"):
        assert far.values(metric) == near.values(metric)
    timeline = reconstruct(far.trial, far.marks, far.recording)
    rows = {row.metric: row for row in far.rows if row.turn == 0}
    assert network_line(timeline, timeline.turns[0], rows) == (
        "own: up 80 ms; down 80 ms: +80.0 ms up, +80.0 ms down on the answer's way"
    )


def test_a_network_that_does_nothing_changes_no_mark_of_the_caller_and_no_figure():
    near, ideal = called_over(""), called_over('[network]\nname = "ideal"\n')

    def callers(called):
        # The voice's last soft samples are its model's, and are never quite the same twice: the
        # call may be over a chunk sooner or later.
        stages = ("user", "ear", "line", "network")
        marks = [m for m in called.marks if m.stage in stages and m.event != "agent_end"]
        chunks = [m for m in marks if m.event == "chunk_sent"]
        return [m for m in marks if m not in chunks[280:]], chunks

    (near_marks, near_chunks), (ideal_marks, ideal_chunks) = callers(near), callers(ideal)
    assert ideal_marks == near_marks
    assert min(len(near_chunks), len(ideal_chunks)) >= 280
    assert abs(len(near_chunks) - len(ideal_chunks)) <= 1
    assert ideal.ms("voice_to_voice") == near.ms("voice_to_voice")
