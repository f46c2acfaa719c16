"""``synthetic:SIZE`` in a preset: models with random weights, made on this machine when needed.

They lie in the cache folder, each in a folder of its own that appears by a rename, and cost what
trained ones of the same dimensions cost. How one is made is the row of its maker, a module of
`pipelines.engines.synthetic` that the engine's row names; most are run by the interpreter of their
engine's environment, whose libraries know the formats.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from pipelines.cache import Tell, building, cache_folder, need_disk, silent
from pipelines.engines.adapters import row_named
from pipelines.engines.row import Maker
from pipelines.errors import LabError, SpecError
from pipelines.installation import engine_path
from pipelines.process import environment
from pipelines.registry import load_object

PREFIX = "synthetic:"
FORMAT = 1
"""Number to raise when the contents change: folders of another number are not used."""
_MOST_S = 600


def maker_of(engine: str) -> Maker:
    """The maker that an engine's row names.

    Raises:
        SpecError: it names none.
    """
    path = row_named(engine).maker
    if not path:
        raise SpecError(f"{engine}: no models with random weights are made for it.")
    found: Maker = load_object(path)
    return found


def path_of(engine: str, model: str) -> Path:
    """Folder of ``synthetic:SIZE`` of an engine, existing or not.

    Raises:
        SpecError: there is no such size.
    """
    maker, size = maker_of(engine), model.removeprefix(PREFIX)
    if size not in maker.gb:
        raise SpecError(
            f"{engine}: model = {model!r} names no size of random weights; known: "
            f"{', '.join(PREFIX + s for s in maker.gb)}."
        )
    folder = cache_folder() / "synthetic" / f"{maker.kind}-{size}-v{FORMAT}"
    return folder / maker.main if maker.main else folder


def ensure(engine: str, model: str, tell: Tell = silent) -> Path:
    """Makes the model where it is missing.

    Raises:
        LabError: there is no such size, no room, or its environment can't be built.
    """
    path = path_of(engine, model)
    maker, size = maker_of(engine), model.removeprefix(PREFIX)
    folder = path.parent if maker.main else path
    if folder.is_dir():
        return path
    python = environment.ensure(maker.environment, tell) if maker.environment else ""
    with building(folder, tell):
        if folder.is_dir():  # made while we waited
            return path
        need_disk(folder, maker.gb[size] * 1e9, f"{maker.kind} with random weights, {size}")
        tell(f"making {maker.kind} {size} with random weights")
        temporary = folder.with_name(f".{folder.name}.making")
        shutil.rmtree(temporary, ignore_errors=True)  # from a killed one: the lock is ours
        try:
            temporary.mkdir(parents=True)
            if maker.make is not None:
                maker.make(temporary, size)
            else:
                module = row_named(engine).maker.partition(":")[0]
                _run([python, "-m", module, str(temporary), size], f"{maker.kind} {size}")
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
