"""Dialogues as the language model reads them: the user's vectors, the agent's codes, its text.

``encode`` runs the exported graphs over every dialogue once, so that training sees the very numbers
of the product. Encoded shards lie beside each other as ``NNN.npz``; a shard that is there is not
made again. Without an ear there are codes alone, enough for learning to speak; with one, the
vectors are added to the shards that lack them. ``--codes`` takes all but the vectors from what was
encoded before: for another ear, which needs the users' sound alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano.ear import VECTOR, NanoEar
from pipelines.duplex.nano.names import EAR_WORDS
from training.nano_duplex.agent_codec import FOLDER, AgentCodec
from training.nano_duplex.pack import Packed

FRAME = 1920
AUDIBLE = 0.003
"""Peak of a frame (of ±1) from which on the agent counts as speaking."""
USER_WORDS = "user_words.txt"
SHARDS = "[0-9]*.npz"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One of ndata's, as sound and labels."""

    user: Array
    """(frames · 1920,) int16."""
    agent: Array
    text: Array
    """(frames,) text tokens."""
    words: tuple[tuple[str, int], ...]
    """The user's words with the frame in which each ends."""
    turns: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One dialogue in frames."""

    vectors: Array | Packed
    """(frames, width) float16 of the user, see `NanoEar`; zeros where no ear has heard it yet."""
    codes: Array
    """(frames, 8) uint16 of the agent."""
    text: Array
    """(frames,) uint16."""
    speaking: Array
    """(frames,) bool: the agent is audible."""
    words: Array
    """(n,) uint16: the user's words, from 1 on, as `USER_WORDS` counts; 0: none of them."""
    ends: Array
    """(n,) int32: the frame in which each ends."""
    turns: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.text)


def read_dialogues(shard: Path) -> Iterator[Dialogue]:
    """The dialogues of one shard of ``corpus.py``."""
    with np.load(shard, allow_pickle=False) as held:
        held = {key: held[key] for key in held.files}
    frames = held["offsets"]
    for index, (start, end) in enumerate(pairwise(frames)):
        sound = slice(int(start) * FRAME, int(end) * FRAME)
        record = json.loads(str(held["record"][index]))
        yield Dialogue(
            user=held["user"][sound],
            agent=held["agent"][sound],
            text=held["text"][start:end],
            words=tuple((str(word), int(past) - 1) for word, _, past in record["words"]),
            turns=record["turns"],
        )


def encode_one(
    codec: AgentCodec, ear: NanoEar | None, dialogue: Dialogue, ids: dict[str, int]
) -> Encoded:
    """A dialogue through both graphs."""
    said = codec.encode(dialogue.agent.astype(np.float32) / np.float32(32768))
    peaks = np.abs(dialogue.agent.astype(np.float32) / np.float32(32768)).reshape(-1, FRAME).max(1)
    return Encoded(
        vectors=hear(ear, dialogue, len(ids)),
        codes=said.codes.astype(np.uint16),
        text=dialogue.text.astype(np.uint16),
        speaking=peaks > AUDIBLE,
        words=np.array([ids.get(word, 0) for word, _ in dialogue.words], np.uint16),
        ends=np.array([end for _, end in dialogue.words], np.int32),
        turns=dialogue.turns,
    )


def hear(ear: NanoEar | None, dialogue: Dialogue, words: int) -> Array:
    """The user's vectors; ``words``: how many an ear will read."""
    if ear is None:
        return np.zeros((len(dialogue.text), VECTOR + 1 + words), np.float16)
    return ear.hear(dialogue.user.astype(np.float32) / np.float32(32768)).astype(np.float16)


ARRAYS = ("vectors", "codes", "text", "speaking", "words", "ends")


def write_shard(path: Path, dialogues: list[Encoded]) -> None:
    """All of a shard's dialogues, one after the other; a kill leaves no half file."""
    joined = {name: np.concatenate([getattr(d, name) for d in dialogues]) for name in ARRAYS}
    frames = np.cumsum([0, *(len(d) for d in dialogues)])
    counts = np.cumsum([0, *(len(d.words) for d in dialogues)])
    turns = np.array(json.dumps([d.turns for d in dialogues]))
    part = path.with_suffix(".part.npz")
    arrays: dict[str, Any] = {**joined, "frames": frames, "counts": counts, "turns": turns}
    np.savez(part, **arrays)
    part.replace(path)


def read_shard(path: Path, packed: bool = False) -> list[Encoded]:
    """What `write_shard` wrote."""
    with np.load(path, allow_pickle=False) as file:
        held = {key: file[key] for key in file.files}
    turns = json.loads(str(held["turns"]))
    found = []
    for index in range(len(turns)):
        start, end = held["frames"][index : index + 2]
        first, last = held["counts"][index : index + 2]
        of_frames = {n: held[n][start:end] for n in ARRAYS[:4]}
        of_words = {n: held[n][first:last] for n in ARRAYS[4:]}
        if packed:  # copied, or the whole shard would stay in memory
            of_frames = {n: values.copy() for n, values in of_frames.items() if n != "vectors"}
            of_frames["vectors"] = Packed(held["vectors"][start:end])
        found.append(Encoded(**of_frames, **of_words, turns=turns[index]))
    return found


def read_all(folder: Path, *, packed: bool = False) -> list[Encoded]:
    """Every dialogue of a split; ``packed``: many of them, in a quarter of the memory."""
    shards = sorted(folder.glob(SHARDS))
    if not shards:
        raise SystemExit(f"{folder} has no encoded dialogues: run the step 'encode' first.")
    return [dialogue for shard in shards for dialogue in read_shard(shard, packed)]


def word_frames(dialogues: list[Encoded], words: int) -> list[float]:
    """Mean frames from each word's token to the next token, for forcing texts at its own pace."""
    total, count = np.zeros(words), np.zeros(words)
    for dialogue in dialogues:
        at = np.flatnonzero(dialogue.text > 1)
        tokens = dialogue.text[at].astype(int)
        for token, long in zip(tokens[:-1], np.diff(at), strict=True):
            if token >= 3:
                total[token - 3] += long
                count[token - 3] += 1
    common = total.sum() / max(1.0, count.sum())
    mean = np.where(count > 0, total / np.maximum(count, 1), common)
    return [round(float(value), 2) for value in mean]


_graphs: list[tuple[AgentCodec, NanoEar | None]] = []


def _start(codec: str, ear: str) -> None:
    _graphs.append((AgentCodec(Path(codec)), NanoEar(Path(ear)) if ear else None))


def _encode(job: tuple[str, str, str, dict[str, int]]) -> int:
    source, target, encoded, ids = Path(job[0]), Path(job[1]), Path(job[2]), job[3]
    (codec, ear), dialogues = _graphs[0], read_dialogues(Path(source))
    if encoded.is_file():
        held = read_shard(encoded)
        done = [
            replace(one, vectors=hear(ear, dialogue, len(ids)))
            for one, dialogue in zip(held, dialogues, strict=True)
        ]
    else:
        done = [encode_one(codec, ear, dialogue, ids) for dialogue in dialogues]
    write_shard(target, done)
    return sum(len(dialogue) for dialogue in done)


def is_heard(path: Path) -> bool:
    """Whether a shard has the user's vectors."""
    with np.load(path, allow_pickle=False) as held:
        return bool(held["vectors"].any())


def _words_of(shard: Path) -> set[str]:
    """The user's words of a shard; its sound is not read."""
    with np.load(shard, allow_pickle=False) as held:
        records = [json.loads(str(record)) for record in held["record"]]
    return {str(word) for record in records for word, _, _ in record["words"]}


def vocabulary(shards: list[Path], ear: Path | None, path: Path) -> dict[str, int]:
    """The user's words, kept: its line + 1 is a word's id.

    Args:
        shards: Of the training split: their words, where there is no ear.
        ear: Folder of the ear, whose words they are.
        path: Where they are kept.
    """
    found = sorted({word for shard in shards for word in _words_of(shard)}) if not ear else []
    if ear:
        found = (ear / EAR_WORDS).read_text(encoding="utf-8").split()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{word}\n" for word in found), encoding="utf-8")
    held = path.read_text(encoding="utf-8").split()
    if ear and held != found:
        raise SystemExit(f"{path} has other words than the ear in {ear}: choose another --out.")
    return {w: i + 1 for i, w in enumerate(held)}


def main(argv: list[str] | None = None) -> None:
    """Encodes every split of dialogues."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogues", type=Path, default=Path("build/nano/data/dialogues"))
    parser.add_argument("--codec", type=Path, default=FOLDER, help="folder with its ONNX files")
    parser.add_argument("--ear", type=Path, help="folder with its ONNX file; none: codes alone")
    parser.add_argument("--codes", type=Path, help="folder of encoded dialogues to hear again")
    parser.add_argument("--out", type=Path, default=Path("build/nano/tokens"))
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(argv)
    splits = sorted(p for p in args.dialogues.iterdir() if p.is_dir())
    shards = sorted((args.dialogues / "train").glob(SHARDS))
    ids = vocabulary(shards, args.ear, args.out / USER_WORDS)
    jobs = [
        (str(shard), str(target), str((args.codes or args.out) / split.name / shard.name), ids)
        for split in splits
        for shard in sorted(split.glob(SHARDS))
        if not (target := args.out / split.name / shard.name).exists()
        or (args.ear is not None and not is_heard(target))
    ]
    for split in splits:
        (args.out / split.name).mkdir(parents=True, exist_ok=True)
    ear = str(args.ear) if args.ear else ""
    with Pool(args.processes, _start, (str(args.codec), ear)) as pool:
        for number, frames in enumerate(pool.imap_unordered(_encode, jobs), 1):
            print(f"{number} of {len(jobs)} shards, {frames} frames", flush=True)
