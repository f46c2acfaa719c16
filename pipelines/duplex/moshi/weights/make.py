"""Makes a folder of synthetic weights, in a process of its own.

Quantised ones are made by moshi_mlx, so by the interpreter of its engine environment; all else by
our own.

``python -m pipelines.duplex.moshi.weights.make SIZE PRECISION FOLDER SHARED SEED AUDIO…`` prints
its progress. Each file appears whole and is then entered in the folder's ``manifest.json``, so a
killed run resumes where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.duplex.moshi.weights import lm as weights_lm
from pipelines.duplex.moshi.weights import mimi as weights_mimi
from pipelines.duplex.moshi.weights import quantised as weights_quantised
from pipelines.duplex.moshi.weights.files import read_manifest
from pipelines.weights import tokenizer as weights_tokenizer
from pipelines.weights.sizes import (
    BITS,
    CONFIG_NAME,
    FORMAT,
    LM_NAMES,
    MANIFEST_NAME,
    MIMI_NAME,
    SIZES,
    TOKENIZER_NAME,
    Size,
    config,
)


class Manifest:
    """The contents of a folder: files with their checksums, and facts about them.

    A manifest that can't be read, or is none, counts as empty: all is made again.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MANIFEST_NAME
        folder.mkdir(parents=True, exist_ok=True)
        self.table: dict[str, Any] = {"files": {}} | read_manifest(folder)

    def has(self, name: str, fact: str = "") -> bool:
        """True if that file was finished and is unchanged, and that fact about it is known."""
        entry = self.table["files"].get(name)
        path = self.path.with_name(name)
        known = not fact or fact in self.table
        return entry is not None and known and path.exists() and checksum(path) == entry

    def add(self, name: str, **facts: Any) -> None:
        """Enters a finished file."""
        path = self.path.with_name(name)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        self.table["files"][name] = checksum(path)
        self.table |= facts
        write_bytes(self.path, json.dumps(self.table, indent=1).encode())


def checksum(path: Path) -> dict[str, Any]:
    """The file's entry in the manifest."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file that appears when it is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def make_codec(folder: Path, seed: int, audio: list[Path], tell: Callable[[str], None]) -> None:
    """The codec, which all sizes share."""
    manifest = Manifest(folder)
    if manifest.has(MIMI_NAME, "codec"):
        return
    tell("codec: drawing Mimi (96 M parameters) and calibrating its codebooks on speech")
    used, held_out = audio[::2], audio[1::2]
    pcm = weights_mimi.read_audio(used, weights_mimi.CALIBRATION_S)
    tensors = weights_mimi.make(pcm, seed)
    weights_mimi.write(folder / MIMI_NAME, tensors)
    heard = weights_mimi.read_audio(held_out, 4.0)
    distinct, frames = weights_mimi.distinct_codes(tensors, heard)
    tell(f"codec: {distinct} distinct codes in {frames} frames of other speech")
    manifest.add(
        MIMI_NAME,
        codec={
            "parameters": sum(value.size for value in tensors.values()),
            "distinct_codes": distinct,
            "distinct_codes_frames": frames,
            "calibrated_on": [path.name for path in used],
            "counted_on": [path.name for path in held_out],
            "calibration_sha256": hashlib.sha256(pcm.tobytes()).hexdigest(),
        },
    )


def make(
    size: Size, precision: str, folder: Path, shared: Path, seed: int, audio: list[Path]
) -> None:
    """Makes the missing files of a folder."""
    make_codec(shared, seed, audio, tell)
    manifest = Manifest(folder)
    about = {"format": FORMAT, "synthetic": True, "size": size.name, "seed": seed}
    told = all(manifest.table.get(fact) == value for fact, value in about.items())
    if not told or not manifest.has(CONFIG_NAME):
        text = json.dumps(config(size), indent=1)
        write_bytes(folder / CONFIG_NAME, text.encode())
        manifest.add(CONFIG_NAME, **about)
    if not manifest.has(TOKENIZER_NAME, "tokenizer"):
        data, pieces = weights_tokenizer.train(size.text_card)
        write_bytes(folder / TOKENIZER_NAME, data)
        manifest.add(TOKENIZER_NAME, tokenizer={"pieces": pieces, "card": size.text_card})
    if not manifest.has(MIMI_NAME):
        share(shared / MIMI_NAME, folder / MIMI_NAME)
        manifest.add(MIMI_NAME, codec=Manifest(shared).table["codec"])
    pieces = int(manifest.table["tokenizer"]["pieces"])
    name = LM_NAMES[precision]
    if manifest.has(name):
        return
    whole = LM_NAMES["bf16"]
    if "bf16" in size.precisions and not manifest.has(whole):
        tell(f"language model: drawing {size.parameters / 1e6:.0f} M parameters")
        weights_lm.write_bf16(folder / whole, size, seed, pieces, tell)
        manifest.add(whole, parameters=size.parameters)
    if name != whole:
        tell(f"language model: {precision}, as moshi_mlx quantises")
        if "bf16" in size.precisions:
            weights_quantised.write_from_bf16(folder / name, folder / whole, size, precision)
        else:
            weights_quantised.write_directly(folder / name, size, precision, seed, pieces, tell)
        manifest.add(name, parameters=size.parameters)


def share(source: Path, target: Path) -> None:
    """A second name for the file, or a copy where the file system has no such thing."""
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        temporary.write_bytes(source.read_bytes())
    temporary.replace(target)


def tell(words: str) -> None:
    """A line of progress, read by `pipelines.duplex.moshi.weights.files`."""
    print(words, flush=True)


def main(argv: list[str]) -> None:
    """Entry point; see the module's docstring."""
    size, precision, folder, shared, seed, *audio = argv
    assert precision in BITS or precision in ("f32", "bf16"), precision
    paths = [Path(a) for a in audio]
    make(SIZES[size], precision, Path(folder), Path(shared), int(seed), paths)


if __name__ == "__main__":
    main(sys.argv[1:])
