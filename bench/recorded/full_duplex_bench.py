"""Folders in Full-Duplex-Bench's layout: which samples they hold, of which task, with what labels.

A sample is a folder with ``input.wav`` and ``output.wav``; beside them lie the recogniser's words
(``output.json``, of the user ``input.json`` or ``transcription.json``) and the label of the task.
Of v1.5 there is the same conversation without the overlap too: ``clean_input.wav``,
``clean_output.wav``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.metrics.full_duplex_bench import V1, V15
from bench.recorded.files import CallFiles, Labelled
from bench.store.labels import UserEvent
from pipelines.errors import LabError

INPUT, OUTPUT = "input.wav", "output.wav"
PEOPLE = "icc_gt_distribution.json"
"""People's timing of backchannels to each sample, as the benchmark's repository holds it."""
LABEL_FILES = {
    "turn_taking.json": "smooth_turn_taking",
    "interrupt.json": "user_interruption",
    "pause.json": "pause_handling",
}
"""File of labels of a sample of v1 → its task. Backchannels have none."""
EVENT: Mapping[str, UserEvent] = {
    "user_interruption": "interruption",
    "user_backchannel": "backchannel",
    "talking_to_other": "side_talk",
    "background_speech": "side_talk",
}
"""Task of v1.5 → what the user's overlapping speech is."""
CLEAN = "clean"
"""Ending of the preset under which the conversations without the overlap stand."""


@dataclass(frozen=True, slots=True)
class _Task:
    version: str
    name: str


def samples_in(root: Path, task: str = "") -> list[CallFiles]:
    """The samples of a folder and its folders, by name.

    Args:
        root: A task's folder, or one that holds several tasks' folders.
        task: Task of samples whose files don't say it; empty: by the names of their folders.

    Raises:
        LabError: there is none, or the task of one is not known.
    """
    if not root.is_dir():
        raise LabError(f"{root}: there is no such folder.")
    folders = [p for p in sorted(root.rglob("*"), key=_in_order) if (p / INPUT).is_file()]
    folders += [root] if (root / INPUT).is_file() else []
    if not folders:
        raise LabError(
            f"{root}: holds no sample of Full-Duplex-Bench: folders with {INPUT} and {OUTPUT}."
        )
    return [call for folder in folders for call in _calls(root, folder, task)]


def _in_order(path: Path) -> tuple[tuple[bool, int, str], ...]:
    """Names in order, numbers by their value."""
    return tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in path.parts)


def _calls(root: Path, folder: Path, asked: str) -> Iterator[CallFiles]:
    task = _task(root, folder, asked)
    place = folder.relative_to(root).parts or (folder.name,)
    name = ".".join(place if len(place) > 1 else (task.name, *place))
    words = next((w for w in _words_of(folder) if w.is_file()), None)
    given = folder / "output.json"
    yield CallFiles(
        name,
        folder / INPUT,
        folder / OUTPUT,
        user_words=words,
        agent_words=given if given.is_file() else None,
        labelled=Labelled(f"{task.version} {task.name}", _labels(folder, task), _people(folder)),
    )
    clean = folder / f"clean_{INPUT}", folder / f"clean_{OUTPUT}"
    if task.version == "v1.5" and all(path.is_file() for path in clean):
        json_of = [path.with_suffix(".json") for path in clean]
        mine, theirs = (path if path.is_file() else None for path in json_of)
        yield CallFiles(name, *clean, user_words=mine, agent_words=theirs, preset_ending=CLEAN)


def _words_of(folder: Path) -> tuple[Path, Path]:
    return folder / "input.json", folder / "transcription.json"


def _task(root: Path, folder: Path, asked: str) -> _Task:
    """The task of a sample: by its file of labels, else by the name of a folder above it."""
    for file, name in LABEL_FILES.items():
        if (folder / file).is_file():
            return _Task("v1", name)
    above = [folder.parent.name, folder.parent.parent.name, root.name, asked]
    version, tasks = ("v1.5", V15) if (folder / "metadata.json").is_file() else ("v1", V1)
    for place in (asked, *above):
        for name in tasks:
            if name and name in place.lower().replace("-", "_"):
                return _Task(version, name)
    raise LabError(
        f"{folder}: neither its files nor its folder's name say which task of Full-Duplex-Bench "
        f"it is of; add --task with one of: {', '.join(tasks)}."
    )


def _labels(folder: Path, task: _Task) -> tuple[tuple[str, float, float, UserEvent], ...]:
    """Kind, start and end (s) of each label of a sample, and what the user's speech in it is."""
    if task.version == "v1.5":
        path = folder / "metadata.json"
        return (("overlap", *_times(path, _json(path)), EVENT[task.name]),)
    file = next((name for name, of in LABEL_FILES.items() if of == task.name), None)
    if file is None or not (folder / file).is_file():
        return ()
    path = folder / file
    found = _json(path)
    if not isinstance(found, list):
        raise LabError(f"{path}: a list of labels is needed.")
    event: UserEvent = "interruption" if task.name == "user_interruption" else ""
    kind = {"pause_handling": "pause", "user_interruption": "interruption"}.get(task.name, "turn")
    return tuple((kind, *_times(path, one), event) for one in found)


def _times(path: Path, label: Any) -> tuple[float, float]:
    times = label.get("timestamp", label.get("timestamps")) if isinstance(label, dict) else None
    if isinstance(times, list) and len(times) == 2:
        start, end = times
        if all(isinstance(t, int | float) and 0 <= t < 1e6 for t in (start, end)):
            return float(start), float(end)
    raise LabError(f"{path}: a label needs 'timestamp' or 'timestamps', [start, end] in s.")


def _people(folder: Path) -> tuple[float, ...]:
    """People's timing to the sample, from the file beside the samples; empty: there is none."""
    path = next((p / PEOPLE for p in folder.parents[:2] if (p / PEOPLE).is_file()), None)
    if path is None:
        return ()
    found = _json(path)
    timing = found.get(folder.name) if isinstance(found, dict) else None
    return tuple(map(float, timing)) if isinstance(timing, list) else ()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise LabError(f"{path}: can't be read as JSON ({error}).") from None
