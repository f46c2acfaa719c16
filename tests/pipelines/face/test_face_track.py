import numpy as np
import pytest

from pipelines.face.states import read_policy
from pipelines.face.track import FaceTrack
from pipelines.face.visemes import Phone, shapes

RATE_HZ = 24000
FRAME = 1920


@pytest.fixture
def track():
    return FaceTrack(read_policy())


def tone(samples, amplitude=32767):
    return np.where(np.arange(samples) % 2, amplitude, -amplitude).astype(np.int16).tobytes()


def test_each_80_ms_of_audio_become_one_message_numbered_by_sample(track):
    track.event("agent_started", 0)
    told = [m for _ in range(17) for m in track.audio(tone(240), RATE_HZ)]  # 170 ms in 10 ms
    assert [(m.at, m.samples) for m in told] == [(0, FRAME), (FRAME, FRAME)]
    assert [m.mouth for m in told] == pytest.approx([0.8, 0.96])
    assert all(m.speaking for m in told)


def test_the_last_piece_is_sent_too_and_then_the_mouth_closes_where_the_sound_ends(track):
    track.event("agent_started", 0)
    track.audio(tone(FRAME + 240), RATE_HZ)
    last, closed = track.event("agent_stopped", 500)
    assert (last.at, last.samples) == (FRAME, 240)
    assert (closed.at, closed.mouth, closed.speaking) == (FRAME + 240, 0.0, False)
    assert closed.state == "listening"


def test_an_interruption_closes_the_mouth_now(track):
    track.event("agent_started", 0)
    track.audio(tone(FRAME), RATE_HZ)
    (closed,) = track.event("interrupted", 100)
    assert (closed.at, closed.mouth, closed.speaking) == (None, 0.0, False)


def test_nods_are_for_listening_only(track):
    (thinking,) = track.event("user_stopped", 0)
    assert thinking.backchannel is False
    (listening,) = track.event("user_started", 10)
    assert listening.backchannel is True


def test_phones_that_were_made_shape_the_lips_of_the_frame_in_which_they_are_written(track):
    track.event("agent_started", 0)
    track.audio(tone(FRAME), RATE_HZ)  # something was said before
    track.phones([Phone("ɑː", 0, 80)], FRAME, 0, RATE_HZ)
    (message,) = track.audio(tone(FRAME), RATE_HZ)
    assert [k.after_ms for k in message.visemes] == [0, 20, 40, 60, 80]
    assert [k.open for k in message.visemes] == pytest.approx([shapes()["ah"].open] * 5)


def test_phones_that_come_with_a_later_piece_of_a_request_keep_its_time(track):
    track.phones([], FRAME, 0, RATE_HZ)
    track.phones([Phone("m", 0, 80), Phone("æ", 80, 160)], FRAME, 80, RATE_HZ)
    first, second = track.audio(tone(2 * FRAME), RATE_HZ)
    assert first.visemes[0].open < 0.1 < second.visemes[-1].open


def test_what_an_interruption_cut_does_not_move_the_lips(track):
    track.event("agent_started", 0)
    track.phones([Phone("ɑː", 0, 800)], 10 * FRAME, 0, RATE_HZ)
    track.audio(tone(FRAME), RATE_HZ)
    track.event("interrupted", 80)
    (message,) = track.audio(tone(FRAME), RATE_HZ)
    assert message.visemes == ()


def test_version_1_has_no_lips():
    track = FaceTrack(read_policy(), version=1)
    track.phones([Phone("ɑː", 0, 80)], FRAME, 0, RATE_HZ)
    (message,) = track.audio(tone(FRAME), RATE_HZ)
    assert (message.v, message.visemes) == (1, ())
