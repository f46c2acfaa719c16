"""What a wire format costs one conversation: CPU of both ends, and the time that a frame waits.

The frames are those of a duplex model, 1,920 samples each 80 ms, both ways; each is written, sent
over a socket pair, and read again. Nothing waits for real time.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.wires.messages import sample_bytes, samples

FRAME_SAMPLES = 1_920
FRAMES_PER_S = 12.5
"""Frames of each direction, a second."""
FRAMES = 500
"""Frames that are measured of each format."""
WARM_UP = 20

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One way to write a frame."""

    name: str
    write: Callable[[Pcm], bytes]
    read: Callable[[bytes], Pcm]


@dataclass(frozen=True, slots=True)
class WireCost:
    """What a format costs one conversation."""

    format: str
    bytes: int
    """Of one frame."""
    cpu_percent: float
    """Share of a core, both ends and both directions."""
    p50_ms: float
    """Of one frame, from its samples to its samples at the other end."""
    p99_ms: float


def formats() -> tuple[WireFormat, ...]:
    """Binary int16, JSON with a list of floats, CBOR with int16 as bytes."""
    import cbor2

    def write_json(pcm: Pcm) -> bytes:
        floats = (pcm.astype(np.float32) / 32_768).tolist()
        return json.dumps({"type": "audio", "samples": floats}).encode()

    def read_json(data: bytes) -> Pcm:
        floats = np.asarray(json.loads(data)["samples"], np.float32)
        return np.clip(np.rint(floats * 32_768), -32_768, 32_767).astype(np.int16)

    def write_cbor(pcm: Pcm) -> bytes:
        data: bytes = cbor2.dumps({"type": "audio", "pcm": sample_bytes(pcm)})
        return data

    return (
        WireFormat("binary int16", sample_bytes, samples),
        WireFormat("JSON float32", write_json, read_json),
        WireFormat("CBOR int16", write_cbor, lambda data: samples(cbor2.loads(data)["pcm"])),
    )


def measure(frames: int = FRAMES) -> list[WireCost]:
    """The costs of every format."""
    speech = np.random.default_rng(1).normal(0, 3_000, (16, FRAME_SAMPLES)).astype(np.int16)
    return [_cost(of, speech, frames) for of in formats()]


def _cost(of: WireFormat, speech: npt.NDArray[np.int16], frames: int) -> WireCost:
    times_ms: list[float] = []
    here, there = socket.socketpair()
    with here, there:
        for end in (here, there):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        began_s = 0.0
        for k in range(WARM_UP + frames):
            if k == WARM_UP:
                began_s = time.process_time()
            pcm = speech[k % len(speech)]
            start_ns = time.perf_counter_ns()
            data = of.write(pcm)
            here.sendall(data)
            got = of.read(_exactly(there, len(data)))
            if k >= WARM_UP:
                times_ms.append((time.perf_counter_ns() - start_ns) / 1e6)
            assert np.array_equal(got, pcm), of.name
        cpu_s = time.process_time() - began_s
    p50, p99 = (float(np.quantile(times_ms, p, method="inverted_cdf")) for p in (0.5, 0.99))
    return WireCost(of.name, len(data), 100 * cpu_s / frames * 2 * FRAMES_PER_S, p50, p99)


def _exactly(end: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        data += end.recv(size - len(data))
    return bytes(data)
