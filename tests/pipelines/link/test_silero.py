"""Pipecat's Silero on one network for all conversations: the same answers, no state in common."""

import numpy as np
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams

from bench.fixtures.library import read_pcm, select
from pipelines.audio.resample import resample
from pipelines.link.silero import SharedSilero

RATE_HZ, WINDOW = 16_000, 512


def windows():
    """One second of silence, and what a user says."""
    (fixture,) = select("cmd_dance")
    turn = fixture.turns[0]
    pcm = resample(read_pcm(turn), turn.rate_hz, RATE_HZ)
    pcm = np.concatenate((np.zeros(RATE_HZ, np.int16), pcm))
    return [pcm[at : at + WINDOW].tobytes() for at in range(0, len(pcm) - WINDOW, WINDOW)]


def heard(analyzer, window):
    return float(np.asarray(analyzer.voice_confidence(window)).item())


def test_two_that_listen_in_turns_hear_what_pipecats_own_hears_alone():
    stock, one = SileroVADAnalyzer(sample_rate=RATE_HZ), SharedSilero(sample_rate=RATE_HZ)
    params = VADParams(confidence=0.3, stop_secs=0.9)
    other = SharedSilero(sample_rate=RATE_HZ, params=params)
    for analyzer in (stock, one, other):
        analyzer.set_sample_rate(RATE_HZ)
    said = windows()
    expected = [heard(stock, window) for window in said]
    assert max(expected) > 0.9 and min(expected) < 0.1
    found = []
    for window, else_ in zip(said, reversed(said), strict=True):
        found.append(heard(one, window))
        heard(other, else_)  # disturbs the network's other user
    assert found == expected
    assert other.params == params and one.params == VADParams()
    assert set(vars(one)) == set(vars(stock))  # nothing of Pipecat's is left out
    assert one._model.session is other._model.session is not stock._model.session
    assert one._model is not other._model
