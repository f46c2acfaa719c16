"""Writes ``nano.json`` beside the exported files: sizes, checksums, and what was trained how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.duplex.nano.files import CARD_NAME, FILES, FORMAT, STAGES, sha256_of


def enter(folder: Path, stage: str, names: Sequence[str], told: Mapping[str, Any]) -> None:
    """Enters a stage's exported files, and how it was trained, into a folder's ``nano.json``.

    Args:
        folder: With the files; what others entered stays.
        stage: One of `STAGES`.
        names: The files.
        told: What the card says of the stage; ``steps`` of 0: it was not trained.
    """
    path = folder / CARD_NAME
    card: dict[str, Any] = {"format": FORMAT}
    if path.is_file():
        card = json.loads(path.read_text(encoding="utf-8"))
    card.setdefault("files", {}).update(_described(folder, names))
    others = [name for name in card.get("trained", ()) if name != stage]
    card["trained"] = [s for s in STAGES if s in others or (s == stage and told.get("steps"))]
    card[stage] = dict(told)
    path.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def entered(folder: Path, stage: str) -> tuple[list[str], dict[str, Any]]:
    """A stage's name if it was trained, in a list, and what the card tells of it."""
    path = folder / CARD_NAME
    card = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [s for s in card.get("trained", ()) if s == stage], card.get(stage, {})


def _described(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in names
    }


def seal(
    folder: Path,
    *,
    trained: Sequence[str],
    sizes: Mapping[str, Any],
    word_frames: Sequence[float],
    seed: int,
    command: str,
    codec: Mapping[str, Any],
    ear: Mapping[str, Any],
    data: Mapping[str, Any],
    eagerness: float = 0.0,
) -> Path:
    """Describes a folder whose files are all there.

    Args:
        folder: With every one of `FILES`.
        trained: Stages of `STAGES` that were trained; none: random weights, which babble.
        sizes: Of the language model.
        word_frames: How long each word lasts, in frames.
        seed: Of the training.
        command: That made it.
        codec: What is told of the codec.
        ear: What is told of the ear.
        data: What it was trained on.
        eagerness: Its threshold to speak, in nats, of `calibrate`.
    """
    wrong = set(trained) - set(STAGES)
    if wrong:
        raise ValueError(f"{', '.join(sorted(wrong))}: no stage of training")
    card = {
        "format": FORMAT,
        "model": "duplex-nano",
        "trained": [stage for stage in STAGES if stage in trained],
        "seed": seed,
        "eagerness": eagerness,
        "command": command,
        "data": dict(data),
        "codec": dict(codec),
        "ear": dict(ear),
        "sizes": dict(sizes),
        "delays": [0] + [1] * (int(sizes["books"]) - 1),
        "word_frames": list(word_frames),
        "files": _described(folder, FILES),
    }
    path = folder / CARD_NAME
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return path
