"""What a wire format costs: every format gives the samples back, and the costs are of one frame."""

import numpy as np
import pytest

from bench.probes.wire_cost import FRAME_SAMPLES, formats, measure


@pytest.mark.parametrize("of", formats(), ids=lambda of: of.name)
def test_a_frame_comes_back_bit_by_bit(of):
    pcm = np.linspace(-32_768, 32_767, FRAME_SAMPLES).astype(np.int16)
    assert np.array_equal(of.read(of.write(pcm)), pcm)


def test_each_format_is_measured_and_text_is_the_largest():
    binary, json_, cbor = measure(frames=5)
    assert binary.bytes == 2 * FRAME_SAMPLES
    assert binary.bytes < cbor.bytes < binary.bytes + 40 < json_.bytes
    for cost in (binary, json_, cbor):
        assert 0 < cost.p50_ms <= cost.p99_ms and cost.cpu_percent >= 0
