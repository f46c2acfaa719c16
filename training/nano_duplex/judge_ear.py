"""Judges the ear by what it is for, gate 1: how many words it reads wrongly in voices never heard.

Runs without torch, on the exported graph, utterance by utterance as the language model gets them:
anywhere on the frame grid, with a little noise.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.duplex.nano.ear import NanoEar, words_told
from pipelines.duplex.nano.files import PACKAGED
from pipelines.duplex.nano.sound import FRAME
from training.nano_duplex.codec_shards import USER, read_shards

PERCENT = 10.0
"""Gate 1, of held-out voices."""
_TAIL = 4
"""Frames of silence after an utterance, in which the last word may still be told."""


def read_all(ear: NanoEar, folder: Path, seed: int) -> tuple[list[tuple[str, str]], list[str]]:
    """The users' utterances of a split.

    Returns:
        Voice and text of each, and what the ear reads.
    """
    random, said, told = np.random.default_rng(seed), [], []
    for one in read_shards(folder):
        if one.role != USER:
            continue
        lead = int(random.integers(FRAME))
        frames = -(-(lead + len(one.pcm)) // FRAME) + _TAIL
        sound = random.standard_normal(frames * FRAME, np.float32)
        sound *= np.float32(10 ** random.uniform(-80 / 20, -55 / 20))
        sound[lead : lead + len(one.pcm)] += one.pcm / np.float32(32768)
        said.append((one.speaker, one.text))
        told.append(" ".join(words_told(ear.hear(sound), ear.words)))
    return said, told


def errors(wanted: str, read: str) -> int:
    """Substituted, inserted and deleted words."""
    import jiwer

    told = jiwer.process_words(wanted, read)
    return int(told.substitutions + told.insertions + told.deletions)


def table(said: Sequence[tuple[str, str]], told: Sequence[str]) -> dict[str, float]:
    """Percent of words wrong, of each synthesiser and of ``all``.

    Args:
        said: Voice and text of each utterance.
        told: What was read.
    """
    wrong: dict[str, int] = defaultdict(int)
    words: dict[str, int] = defaultdict(int)
    for (voice, text), read in zip(said, told, strict=True):
        for key in (voice.split(".")[0], "all"):
            wrong[key] += errors(text, read)
            words[key] += len(text.split())
    return {key: round(100 * wrong[key] / words[key], 2) for key in sorted(words)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=PACKAGED)
    parser.add_argument("--data", type=Path, default=Path("build/nano/data/codec"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("build/nano"))
    args = parser.parse_args()
    ear = NanoEar(args.weights)
    found: dict[str, object] = {"words": len(ear.words)}
    for split in ("valid", "heldout"):
        figures = table(*read_all(ear, args.data / split, args.seed))
        found[split] = figures
        print(split, json.dumps(figures), flush=True)
    found["passed"] = figures["all"] <= PERCENT
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "ear_user.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
