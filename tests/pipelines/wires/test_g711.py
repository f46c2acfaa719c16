"""µ-law and A-law: the values of ITU-T G.711's table, and what a round trip loses."""

import numpy as np
import pytest

from pipelines.wires import g711


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0xFF, 0), (0x7F, 0), (0x80, 32_124), (0x00, -32_124), (0xFE, 8), (0x8F, 16_764)],
)
def test_a_code_is_the_sample_of_the_standards_table(code, sample):
    assert g711.decode(bytes([code])).tolist() == [sample]


def test_every_code_but_minus_zero_survives_the_round_trip():
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert g711.encode(g711.decode(codes)) == codes


def test_silence_is_the_code_of_plus_zero():
    assert g711.encode(np.zeros(3, np.int16)) == 3 * g711.SILENCE


def test_a_sample_is_off_by_half_a_step_of_its_segment_at_most():
    pcm = np.arange(-32_124, 32_125, dtype=np.int16)
    error = np.abs(g711.decode(g711.encode(pcm)).astype(int) - pcm)
    step = 2.0 ** (np.floor(np.log2(np.abs(pcm.astype(int)) + 132)) - 4)
    assert (error <= step / 2).all()


def test_louder_than_the_loudest_code_is_clipped():
    assert g711.decode(g711.encode(np.array([32_767, -32_768], np.int16))).tolist() == [
        32_124,
        -32_124,
    ]


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0xD5, 8), (0x55, -8), (0xAA, 32_256), (0x2A, -32_256), (0xD4, 24), (0xC5, 264)],
)
def test_a_code_of_a_law_is_the_sample_of_the_standards_table(code, sample):
    assert g711.decode_a(bytes([code])).tolist() == [sample]


def test_every_code_of_a_law_survives_the_round_trip():
    assert g711.encode_a(g711.decode_a(bytes(range(256)))) == bytes(range(256))


def test_a_sample_in_a_law_is_off_by_half_a_step_of_its_segment_at_most():
    pcm = np.arange(-32_500, 32_500, dtype=np.int16)
    error = np.abs(g711.decode_a(g711.encode_a(pcm)).astype(int) - pcm)
    step = 2.0 ** np.maximum(np.floor(np.log2(np.maximum(np.abs(pcm.astype(int)), 1))) - 4, 4)
    assert (error <= step / 2).all()
