#!/bin/sh
# pipecat-ai: the end of a recording at another rate than the speaker's is never played.
#
# Guess: an OutputAudioRawFrame is "a chunk of raw audio that will be played by the output transport",
#        which resamples it: all of it is played, at the latest when the pipeline ends with an
#        EndFrame, which lets everything queued before it out.
# Seen:  a recording of 1 s at 24 kHz is played whole at 24 kHz. At another rate its last 40 to 82 ms
#        stay in the resampler and in the chunk that is not full, and are dropped by the EndFrame.
#        (Of a synthesiser's audio the TTSStoppedFrame lets them out.)
# Date:  2026-12-01, with pipecat-ai 1.14.0 on Python 3.11, Linux x86-64.
# Ours:  tests/bench/chains/test_bot_shapes.py, the recording; docs/own-agent.md.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pipecat-ai==1.14.0
"$folder/venv/bin/python" -W ignore - <<'PROBE'
import asyncio
import sys
from importlib.metadata import version

import numpy as np
from loguru import logger
from pipecat.frames.frames import EndFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

logger.remove()


class Speaker(BaseOutputTransport):
    samples = 0

    async def start(self, frame):
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame):
        self.samples += len(frame.audio) // 2
        return True


async def played_ms(recording_hz, speaker_hz):
    """How much of a recording of 1 s is played until the pipeline has ended."""
    speaker = Speaker(TransportParams(audio_out_enabled=True, audio_out_end_silence_secs=0))
    worker = PipelineWorker(
        Pipeline([speaker]),
        params=PipelineParams(audio_out_sample_rate=speaker_hz),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(recording_hz) / recording_hz)
    frame = OutputAudioRawFrame(tone.astype(np.int16).tobytes(), recording_hz, 1)
    await worker.queue_frames([frame])
    await asyncio.sleep(1.5)
    await worker.queue_frames([EndFrame()])
    await running
    return round(1000 * speaker.samples / speaker_hz)


print("Python", sys.version.split()[0], "pipecat-ai", version("pipecat-ai"))
found = {}
for pair in ((24000, 24000), (24000, 22050), (16000, 24000), (44100, 24000)):
    found[pair] = asyncio.run(played_ms(*pair))
    print(f"1000 ms at {pair[0]} Hz, played at {pair[1]} Hz: {found[pair]} ms")
whole = found.pop((24000, 24000))
as_described = whole == 1000 and all(900 <= ms <= 960 for ms in found.values())
sys.exit(0 if as_described else "This has changed: see the figures above.")
PROBE
