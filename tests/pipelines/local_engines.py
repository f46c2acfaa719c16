"""What the tests of local engines share: models with random weights, and noise to hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.engines import made
from pipelines.errors import LabError
from pipelines.process import environment
from pipelines.process.process import ModelProcess

RATE_HZ = 16000
NOISE = np.random.default_rng(0).normal(0, 3000, 2 * RATE_HZ).astype(np.int16)  # 2 s
Start = Callable[..., Any]


def _tell(words: str) -> None:
    print(words, flush=True)


def skip_without_torch(name: str) -> None:
    """Torch is optional: a gigabyte, and minutes, that no test asks for."""
    if name == "moshi-torch" and environment.find(name) is None:
        pytest.skip("torch is optional: duplex-lab engines build moshi-torch")


def made_here(engine: str) -> Path:
    """The smallest model of an engine; skips where its environment can't be built here."""
    skip_without_torch(made.maker_of(engine).environment)
    try:
        return made.ensure(engine, "synthetic:micro", _tell)
    except LabError as error:
        pytest.skip(str(error))


async def hear(process: ModelProcess, pcm: np.ndarray, chunk: int = 320) -> list[dict[str, Any]]:
    """All that a recogniser says of an utterance."""
    request = process.open("utterance", {}, fed=True)
    for at in range(0, len(pcm), chunk):
        request.feed(payload=pcm[at : at + chunk].tobytes(), last=False)
        await asyncio.sleep(0)
    request.feed(last=True)
    return [header async for header, _ in request]
