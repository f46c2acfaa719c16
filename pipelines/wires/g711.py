"""G.711, µ-law and A-law: the eight-bit samples of telephony, at 8 kHz.

Source: ITU-T G.711 (11/1988), tables 1 and 2: sign, exponent of three bits, mantissa of four. On
the wire all bits of µ-law are inverted, of A-law every other one. A 14-bit sample (µ) or one of 13
bits (A) is carried here in the upper bits of int16.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 8_000
"""Sample rate of G.711."""
SILENCE = b"\xff"
"""The code of +0 in µ-law."""
_BIAS = 0x84
"""33 steps of 14 bits, in the scale of int16: it makes every segment begin at a power of two."""
_CLIP = 32_635
"""Largest magnitude before the bias, in the scale of int16."""
_EVEN_BITS = 0x55
"""Bits that A-law inverts."""


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


@cache
def _decoded_a() -> npt.NDArray[np.int16]:  # (256,)
    code = np.arange(256, dtype=np.uint8) ^ _EVEN_BITS
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    middle = (mantissa << 4) + 8 + np.where(exponent > 0, 0x100, 0)
    magnitude = middle << np.maximum(exponent - 1, 0)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def _encoded_a() -> npt.NDArray[np.uint8]:  # (65536,), by the sample's bits
    sample = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(sample), 32_767)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    mantissa = (magnitude >> np.maximum(exponent + 3, 4)) & 15
    code = np.where(sample >= 0, 0x80, 0) | (exponent << 4) | mantissa
    codes: npt.NDArray[np.uint8] = code.astype(np.uint8) ^ np.uint8(_EVEN_BITS)
    return codes


def encode_a(pcm: npt.NDArray[np.int16]) -> bytes:
    """A-law codes of (n,) samples: n bytes."""
    codes: npt.NDArray[np.uint8] = _encoded_a()[pcm.view(np.uint16)]
    return codes.tobytes()


def decode_a(codes: bytes) -> npt.NDArray[np.int16]:
    """(n,) samples of n A-law codes."""
    found: npt.NDArray[np.int16] = _decoded_a()[np.frombuffer(codes, np.uint8)]
    return found
