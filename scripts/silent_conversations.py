"""The server's own CPU for conversations that stream silence; Pipecat's VAD is printed beside.

    python scripts/silent_conversations.py                  # 50 conversations, 20 s

The preset has no model and no VAD, so what is measured is the door, the session and Pipecat's
transport.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import websockets

from bench.probes.served import served

FRAME_S = 0.08
PRESET = """title = "silence"
architecture = "click"
weights = "scripted"
kind = "click"
[audio]
in_rate_hz = 24000
out_rate_hz = 24000
"""
"""An agent without model and VAD, at the door's rate."""


async def _stream(url: str, end_s: float) -> None:
    """One client: silence in real time."""
    frame = bytes(2 * 1_920)
    async with websockets.connect(url, compression=None) as socket:

        async def drop() -> None:
            async for _ in socket:
                pass

        dropping = asyncio.create_task(drop())
        began_s, k = time.monotonic(), 0
        while time.monotonic() < end_s:
            await socket.send(frame)
            k += 1
            await asyncio.sleep(max(0.0, began_s + k * FRAME_S - time.monotonic()))
        dropping.cancel()


async def _run(url: str, server: psutil.Process, count: int, seconds: float) -> float:
    """Share of a core that the server used, %."""
    address = url.replace("http", "ws") + "/v1/stream"
    end_s = time.monotonic() + seconds + 3.0
    clients = [asyncio.create_task(_stream(address, end_s)) for _ in range(count)]
    await asyncio.sleep(2.0)
    before, began_s = server.cpu_times(), time.monotonic()
    await asyncio.sleep(seconds)
    after, took_s = server.cpu_times(), time.monotonic() - began_s
    await asyncio.gather(*clients)
    used_s: float = after.user + after.system - before.user - before.system
    return 100 * used_s / took_s


def _vad_share() -> float:
    """Share of a core that Silero takes for one conversation, %."""
    from pipecat.audio.vad.silero import SileroVADAnalyzer

    analyzer = SileroVADAnalyzer(sample_rate=16_000)
    analyzer.set_sample_rate(16_000)
    frame = np.zeros(analyzer.num_frames_required(), np.int16).tobytes()
    steps = 16_000 * 20 // analyzer.num_frames_required()
    began_s = time.process_time()
    for _ in range(steps):
        analyzer.voice_confidence(frame)
    return 100 * (time.process_time() - began_s) / 20


def main() -> None:
    """Prints the server's share of a core."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder) / "silence.toml"
        preset.write_text(PRESET)
        with served(str(preset)) as (url, server):
            share = asyncio.run(_run(url, server, args.conversations, args.seconds))
    vad = _vad_share()
    print(
        f"{args.conversations} conversations of silence: {share:.1f} % of a core, the server's own "
        f"(aim: 20 at 50); Silero's VAD would add {vad * args.conversations:.0f} % ({vad:.2f} each)"
    )


if __name__ == "__main__":
    main()
