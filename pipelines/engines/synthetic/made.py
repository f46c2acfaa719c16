"""``synthetic:SIZE`` in a preset: models with random weights, made on this machine when needed.

They lie in the cache folder, each in a folder of its own that appears by a rename, and cost what
trained ones of the same dimensions cost. All but llama are written by the interpreter of their
engine's environment, whose libraries know the formats.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipelines.cache import Tell, building, cache_folder, need_disk, silent
from pipelines.engines.synthetic import (
    gguf,
    kokoro,
    kyutai_stt,
    moonshine,
    piper,
    pocket_tts,
    whisper,
)
from pipelines.errors import LabError, SpecError
from pipelines.installation import engine_path
from pipelines.process import environment

PREFIX = "synthetic:"
FORMAT = 1
"""Raise it when what is made changes: folders of another number are not looked at."""
_MOST_S = 600


@dataclass(frozen=True, slots=True)
class Maker:
    """How the models of one engine are made."""

    kind: str
    """Part of the folder's name."""
    sizes: dict[str, float]
    """Name → what it takes on disk and in memory while it is made, GB."""
    main: str
    """The file in the folder that an engine is given; empty: the folder."""
    environment: str = ""
    """Whose interpreter runs ``module``; empty: it is made in this process."""
    module: str = ""
    """``python -m module FOLDER SIZE``."""


def _gb(sizes: dict[str, object], values: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(sizes, values, strict=True))


_HERE = "pipelines.engines.synthetic"
_LLAMA = Maker("llama", _gb({**gguf.SIZES}, (0.01, 0.7, 1.6, 3.9)), "model.gguf")
MAKERS: dict[str, Maker] = {
    "faster-whisper": Maker(
        "whisper", _gb({**whisper.SIZES}, (0.01, 0.3, 0.5, 1.5, 5.0)), "", "whisper",
        f"{_HERE}.whisper",
    ),
    "moonshine": Maker(
        "moonshine", _gb({**moonshine.SIZES}, (0.05, 0.3, 0.6)), "", "moonshine",
        f"{_HERE}.moonshine",
    ),
    "kyutai-stt": Maker(
        "kyutai-stt", _gb({**kyutai_stt.SIZES}, (0.01, 5.0)), "", "moshi-torch",
        f"{_HERE}.kyutai_stt",
    ),
    "llama": _LLAMA,
    "llama-cpp-python": _LLAMA,
    "piper": Maker(
        "piper", _gb({**piper.SIZES}, (0.01, 0.2)), "voice.onnx", "piper", f"{_HERE}.piper"
    ),
    "kokoro": Maker(
        "kokoro", _gb({**kokoro.SIZES}, (0.02, 0.8)), "kokoro.onnx", "kokoro", f"{_HERE}.kokoro"
    ),
    "pocket-tts": Maker(
        "pocket-tts", _gb({**pocket_tts.SIZES}, (0.02, 1.0)), "", "moshi-torch",
        f"{_HERE}.pocket_tts",
    ),
}  # fmt: skip
"""Engine → maker."""


def path_of(engine: str, model: str) -> Path:
    """Where ``synthetic:SIZE`` of an engine lies, there or not.

    Raises:
        SpecError: there is no such size.
    """
    maker, size = MAKERS[engine], model.removeprefix(PREFIX)
    if size not in maker.sizes:
        raise SpecError(
            f"{engine}: model = {model!r} names no size of random weights; known: "
            f"{', '.join(PREFIX + s for s in maker.sizes)}."
        )
    folder = cache_folder() / "synthetic" / f"{maker.kind}-{size}-v{FORMAT}"
    return folder / maker.main if maker.main else folder


def ensure(engine: str, model: str, tell: Tell = silent) -> Path:
    """Makes the model where it is missing.

    Raises:
        LabError: there is no such size, no room, or its environment can't be built.
    """
    path = path_of(engine, model)
    maker, size = MAKERS[engine], model.removeprefix(PREFIX)
    folder = path.parent if maker.main else path
    if folder.is_dir():
        return path
    python = environment.ensure(maker.environment, tell) if maker.environment else ""
    with building(folder, tell):
        if folder.is_dir():  # made while we waited
            return path
        need_disk(folder, maker.sizes[size] * 1e9, f"{maker.kind} with random weights, {size}")
        tell(f"making {maker.kind} {size} with random weights")
        temporary = folder.with_name(f".{folder.name}.making")
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed one: the lock is ours
        try:
            temporary.mkdir(parents=True)
            if maker.module:
                _run([python, "-m", maker.module, str(temporary), size], f"{maker.kind} {size}")
            else:
                gguf.write_gguf(temporary / maker.main, gguf.SIZES[size])
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return path


def _run(command: list[str], what: str) -> None:
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    try:
        done = subprocess.run(
            command, cwd=engine_path(), env=clean, capture_output=True, text=True, timeout=_MOST_S
        )
        said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    except (OSError, subprocess.TimeoutExpired) as error:
        said = [str(error)]
    else:
        if done.returncode == 0:
            return
    raise LabError(f"Random weights for {what} can't be made: {said[0]}.")
