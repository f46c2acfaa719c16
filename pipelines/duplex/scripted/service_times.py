"""Compute times of a scripted model's frames: from a list, a distribution or a recorded run."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path

from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.process.engine import EngineError


def service_times_ms(options: ScriptOptions) -> Iterator[float]:
    """One time after the other, without end; the same options give the same times.

    Raises:
        EngineError: the recorded run can't be read.
    """
    if options.service == "constant":
        return itertools.repeat(options.service_ms)
    if options.service == "list":
        return itertools.cycle(options.service_list_ms)
    if options.service == "recorded":
        return itertools.cycle(read_recorded_ms(Path(options.recorded)))
    return _drawn_ms(options)


def read_recorded_ms(path: Path) -> tuple[float, ...]:
    """The times of a recorded run: one number a line, ``#`` begins a comment.

    Raises:
        EngineError: there is no such file, or it holds something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(
            f"the recorded compute times {path} can't be read ({error}): "
            "give the path of a text file with one time in ms on each line"
        ) from error
    times = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            time_ms = float(text)
        except ValueError:
            time_ms = -1.0
        if not 0 <= time_ms < math.inf:
            raise EngineError(f"{path}, line {number}: {text!r} is not a time in ms >= 0")
        times.append(time_ms)
    if not times:
        raise EngineError(f"{path} holds no compute times: one time in ms on each line is needed")
    return tuple(times)


def _drawn_ms(options: ScriptOptions) -> Iterator[float]:
    draw = random.Random(options.seed)
    while True:
        if options.service == "normal":
            yield max(0.0, draw.gauss(options.service_ms, options.spread))
        else:
            yield options.service_ms * math.exp(draw.gauss(0.0, options.spread))
