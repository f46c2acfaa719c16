"""The error of a line: what its fixed delays leave unexplained."""

import numpy as np
import pytest

from bench.caller.plan import CallerPlan, CallerResult, CallerTurn
from bench.caller.process import CallerProcess
from bench.lines.fakes.clicker import Click
from bench.lines.table import row_of
from bench.runner.calibration import LostClickError
from bench.runner.line_calibration import calibrate_line, dialled_row, explained
from pipelines.errors import LabError
from pipelines.marks import stamp

MS = 1_000_000
T0_NS = 7_000 * MS


def called(heard_at_ms):
    """A user who clicks 105 ms after t0, and what was heard of an agent at 24 kHz."""
    pcm = np.zeros(16_000, np.int16)
    pcm[80] = 20_000
    turn = CallerTurn(pcm, 80, 81, "start", 0.0, timeout_s=1.0)
    agent = np.zeros(24_000, np.int16)
    agent[[24 * at for at in heard_at_ms]] = 20_000
    start = stamp("user", "turn_start", t_ns=T0_NS + 100 * MS, value=1600)
    result = CallerResult("ok", None, T0_NS, 24_000, [start], None, agent)
    return CallerPlan("t", 16_000, (turn,), 1.0), result


def test_a_click_is_due_when_its_packet_is_full_and_heard_when_it_was_written():
    plan, result = called([161])
    click = Click(T0_NS + 121 * MS, T0_NS + 150 * MS, T0_NS + 160 * MS)
    found = explained(row_of("pcm-websocket"), plan, result, [click])
    assert found.in_ms == (1.0,)  # spoken at 105, so its chunk of 20 ms was due at 120
    assert found.out_ms == (1.0,)
    assert found.agent_ms == (10.0,)


def test_a_codecs_look_ahead_and_its_longer_packet_are_not_the_lines_error():
    plan, result = called([168])
    click = Click(T0_NS + 121 * MS, T0_NS + 150 * MS, T0_NS + 160 * MS)
    found = explained(row_of("moshi"), plan, result, [click])
    assert found.in_ms == (1.0,)  # at 105 + 6.5 in the packet from 80 to 120
    assert found.out_ms == (1.5,)


def test_a_click_that_was_lost_on_either_way_is_said():
    plan, result = called([400])
    click = Click(T0_NS + 121 * MS, T0_NS + 150 * MS, T0_NS + 160 * MS)
    with pytest.raises(LostClickError, match="written, but never heard"):
        explained(row_of("pcm-websocket"), plan, result, [click])
    with pytest.raises(LostClickError, match="of 1 clicks the agent heard 0"):
        explained(row_of("pcm-websocket"), plan, result, [])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("local", "none that the caller dials"), ("sip", "none that"), ("pigeon", "no line 'pigeon'")],
)
def test_only_a_line_that_the_caller_dials_can_be_calibrated(name, sentence):
    with pytest.raises(LabError, match=sentence):
        dialled_row(name)


@pytest.mark.realtime
def test_clicks_through_a_real_websocket_are_all_heard():
    with CallerProcess() as caller:
        found = calibrate_line("openai-realtime", caller, 20, 1)
    assert len(found.out_ms) == len(found.in_ms) == found.sent == 20
    assert all(error > 0 for error in found.out_ms)  # nothing is heard before it was written
