"""Writes ``nano.json`` beside the exported files: sizes, checksums, and what was trained how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.duplex.nano_weights import CARD_NAME, FILES, FORMAT, STAGES, sha256_of


def codec_card(folder: Path) -> dict[str, Any]:
    """What a folder's card tells of the codec: ``trained`` and ``codec``; nothing: it is random."""
    path = folder / CARD_NAME
    card = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    is_trained = "codec" in card.get("trained", ())
    return {"trained": ["codec"] if is_trained else [], "codec": card.get("codec", {})}


def seal(
    folder: Path,
    *,
    trained: Sequence[str],
    sizes: Mapping[str, Any],
    word_frames: Sequence[float],
    seed: int,
    command: str,
    codec: Mapping[str, Any],
    data: Mapping[str, Any],
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
        data: What it was trained on.
    """
    wrong = set(trained) - set(STAGES)
    if wrong:
        raise ValueError(f"{', '.join(sorted(wrong))}: no stage of training")
    card = {
        "format": FORMAT,
        "model": "duplex-nano",
        "trained": [stage for stage in STAGES if stage in trained],
        "seed": seed,
        "command": command,
        "data": dict(data),
        "codec": dict(codec),
        "sizes": dict(sizes),
        "delays": [0] + [1] * (int(sizes["books"]) - 1),
        "word_frames": list(word_frames),
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
            for name in FILES
        },
    }
    path = folder / CARD_NAME
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return path
