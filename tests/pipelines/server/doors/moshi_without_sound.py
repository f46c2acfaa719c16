"""Runs Moshi's own client, unchanged, on a machine without microphone and loudspeaker.

    PYTHON moshi_without_sound.py IN.raw OUT.raw [options of moshi.client]

PYTHON is that of the engine environment moshi-torch. In place of PortAudio a thread calls the
client back each 80 ms: it speaks IN (int16, 24 kHz, mono), and what it hears becomes OUT. The
program ends a second after IN.
"""

import os
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

FRAME = 1_920
spoken = np.fromfile(sys.argv[1], np.int16)
out_path = Path(sys.argv[2])
heard: list[np.ndarray] = []


class Stream:
    """One direction of PortAudio's."""

    def __init__(self, samplerate, channels, blocksize, callback):
        assert (samplerate, channels, blocksize) == (24_000, 1, FRAME)
        self._callback = callback

    def __enter__(self):
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_):
        pass

    def frame(self, k):
        """Plays a frame; False: it was the last."""
        raise NotImplementedError

    def _run(self):
        began_s, k = time.monotonic(), 0
        while self.frame(k):
            k += 1
            time.sleep(max(0.0, began_s + k * FRAME / 24_000 - time.monotonic()))
        out_path.write_bytes(np.concatenate(heard).tobytes())
        sys.stdout.flush()
        os._exit(0)


class InputStream(Stream):
    def frame(self, k):
        """Speaks a frame; False: a second has gone by since the last one."""
        pcm = spoken[k * FRAME : (k + 1) * FRAME].astype(np.float32) / 32_768
        self._callback(np.pad(pcm, (0, FRAME - len(pcm)))[:, None], FRAME, None, None)
        return k * FRAME < len(spoken) + 24_000


class OutputStream(Stream):
    def frame(self, k):
        """Takes a frame."""
        out = np.zeros((FRAME, 1), np.float32)
        self._callback(out, FRAME, None, None)
        heard.append(np.rint(np.clip(out[:, 0], -1, 1) * 32_767).astype(np.int16))
        return True


sound: Any = types.ModuleType("sounddevice")
sound.InputStream, sound.OutputStream = InputStream, OutputStream
sys.modules["sounddevice"] = sound
sys.argv = ["moshi.client", *sys.argv[3:]]

from moshi.client import main  # noqa: E402  (it takes sounddevice when it is imported)

main()
