"""What the notebooks compute: the claimed stack against what was heard, and micro-turns."""

import matplotlib as mpl
import numpy as np
import pytest

from bench.notebook.microturns import Piece, pieces
from bench.notebook.serial_stack import CLAIMED_MS, stacked
from bench.report.plots import style as plots_style
from bench.simulated.turns import TurnPlan, rows_of

RATE_HZ = 16_000


def test_the_claim_adds_up_to_600_ms():
    assert sum(CLAIMED_MS.values()) == 600


def test_a_turns_stages_are_summed_beside_what_was_heard():
    plan = TurnPlan(vad_stop_ms=200, stt_final_ms=230)
    rows = rows_of([plan])
    (one,) = stacked(rows.values())
    # endpointing delay 250, STT 230 − 200, LLM 280 − 252, TTS 340 − 331.
    assert list(one.stages.values()) == [250, 30, 28, 9]
    assert (one.sum_ms, one.largest_ms) == (317, 250)
    assert one.heard_ms == pytest.approx(384, abs=0.05)


@pytest.mark.parametrize(
    "plan",
    [TurnPlan(heard_ms=None), TurnPlan(transcript="but a bed clock", answer="sorry")],
)
def test_a_turn_without_an_answer_or_not_valid_is_left_out(plan):
    assert stacked(rows_of([plan]).values()) == []


def tone(pcm, channel, start_ms, end_ms):
    pcm[start_ms * 16 : end_ms * 16, channel] = 8000


def test_a_recording_is_cut_where_somebody_begins_or_stops():
    pcm = np.zeros((3 * RATE_HZ, 2), np.int16)
    tone(pcm, 0, 100, 600)
    tone(pcm, 0, 650, 1000)  # a closure of 50 ms is no silence
    tone(pcm, 1, 900, 1500)
    tone(pcm, 0, 1700, 2000)
    assert pieces(pcm, RATE_HZ) == [
        Piece("user", 100, 800),
        Piece("both", 900, 100),
        Piece("agent", 1000, 500),
        Piece("nobody", 1500, 200),
        Piece("user", 1700, 300),
    ]


def test_a_silent_recording_has_no_pieces():
    assert pieces(np.zeros((RATE_HZ, 2), np.int16), RATE_HZ) == []


def test_the_style_is_known_to_matplotlib_and_colours_stay_with_their_names():
    with mpl.rc_context():
        plots_style.use()
        assert mpl.rcParams["font.size"] == 8
    both = plots_style.colours(["cascade-stock", "cascade-embedded", "cascade-stock"])
    assert both == {"cascade-stock": "#ae406d", "cascade-embedded": "#414aa4"}
    assert plots_style.colours(["cascade-embedded"]) == {"cascade-embedded": "#414aa4"}
