"""A voice in two halves: its stretches against its whole, on filters whose reach is known."""

import numpy as np
import pytest

from pipelines.engines.tts.abortable import AbortableSession
from pipelines.engines.tts.vits_halves import HalvedSession

HOP = 4


class Front(AbortableSession):
    """The first half: the latent frames are the phonemes."""

    def __init__(self):
        super().__init__(None)

    def run(self, outputs, feeds):
        return [feeds["input"].reshape(1, 1, -1).astype(np.float32), "durations"]


class Back(Front):
    """The second half: each frame's sound is the mean of all frames within its reach."""

    def __init__(self, reach):
        super().__init__()
        self.reach = reach
        self.lengths = []

    def run(self, outputs, feeds):
        latent = feeds["z"][0, 0]
        self.lengths.append(len(latent))
        padded = np.pad(latent, self.reach)
        width = 2 * self.reach + 1
        smooth = np.convolve(padded, np.full(width, 1 / width), "valid")
        return [np.repeat(smooth, HOP).astype(np.float32).reshape(1, 1, 1, -1)]


def halves(reach, hop=HOP, frames=150):
    back = Back(reach)
    session = HalvedSession(Front(), back, "z", hop)
    speak(session, frames)
    return session, back


def speak(session, frames=150, *, louder_from=None):
    said = np.sin(np.arange(frames) * 0.7) * 0.5
    if louder_from is not None:
        said[louder_from:] *= 4
    return session.run(None, {"input": said})


def whole(session, back):
    """What the network would say in one run, at the session's level."""
    sound = back.run(None, {"z": session._latent})[0].reshape(-1)
    return sound * session._level


@pytest.mark.parametrize(("reach", "context"), [(0, 12), (12, 12), (13, 16), (20, 24)])
def test_stretches_sound_like_the_whole_with_the_least_context_that_does(reach, context):
    session, back = halves(reach)
    assert session.measure()
    assert session._context == context
    pieces = [np.frombuffer(piece, np.int16) for piece in session.pieces()]
    assert [len(piece) // HOP for piece in pieces] == [8, 16, 32, 64, 30]
    assert np.abs(np.concatenate(pieces) - 32767 * whole(session, back)).max() <= 1


def test_the_first_sound_waits_for_a_few_frames_only():
    session, back = halves(3)
    session.measure()
    del back.lengths[:]
    next(session.pieces())
    assert back.lengths == [8 + 12]


def test_a_voice_that_hears_further_than_any_context_stays_whole():
    session, _ = halves(30)
    assert not session.measure()


def test_a_voice_of_another_frame_length_stays_whole():
    session, _ = halves(3, hop=HOP + 1)
    assert not session.measure()


def test_piper_gets_silence_of_the_right_length_and_its_durations():
    session, _ = halves(3)
    silence, durations = speak(session, 7)
    assert silence.shape == (1, 1, 7 * HOP) and not silence.any()
    assert durations == "durations"


def test_the_level_is_that_of_the_voice_and_goes_down_before_anything_is_cut_off():
    session, _ = halves(0)
    assert session.measure()
    even = np.frombuffer(b"".join(session.pieces()), np.int16)
    assert abs(np.abs(even.astype(int)).max() - 0.9 * 32767) < 100
    speak(session, 88, louder_from=56)  # the third stretch ends at 56
    pieces = [np.frombuffer(piece, np.int16).astype(int) for piece in session.pieces()]
    assert np.abs(pieces[2]).max() <= 0.9 * 32767 + 1
    assert np.abs(pieces[3]).max() == 32767
    assert (np.abs(pieces[3]) == 32767).mean() < 0.06
