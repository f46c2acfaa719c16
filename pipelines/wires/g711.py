"""G.711 µ-law: the eight-bit samples of telephony, at 8 kHz.

Source: ITU-T G.711 (11/1988), table 2: sign, exponent of three bits, mantissa of four, all bits
inverted on the wire; a 14-bit sample is carried here in the upper bits of int16.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 8_000
"""Sample rate of G.711."""
SILENCE = b"\xff"
"""The code of +0."""
_BIAS = 0x84
"""33 steps of 14 bits, in the scale of int16: it makes every segment begin at a power of two."""
_CLIP = 32_635
"""Largest magnitude before the bias, in the scale of int16."""


@cache
def _decoded() -> npt.NDArray[np.int16]:  # (256,)
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa.astype(np.int32) << 3) + _BIAS) << exponent) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@cache
def _encoded() -> npt.NDArray[np.uint8]:  # (65536,), by the sample's bits
    sample = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(sample), _CLIP) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    code = np.where(sample < 0, 0x80, 0) | (exponent << 4) | mantissa
    codes: npt.NDArray[np.uint8] = ~code.astype(np.uint8)
    return codes


def encode(pcm: npt.NDArray[np.int16]) -> bytes:
    """µ-law codes of (n,) samples: n bytes."""
    codes: npt.NDArray[np.uint8] = _encoded()[pcm.view(np.uint16)]
    return codes.tobytes()


def decode(codes: bytes) -> npt.NDArray[np.int16]:
    """(n,) samples of n µ-law codes."""
    found: npt.NDArray[np.int16] = _decoded()[np.frombuffer(codes, np.uint8)]
    return found
