"""A duplex model's files: synthetic ones made here, a user's folder, or a model that was fetched.

Synthetic weights have the true formats and shapes and no knowledge: they cost what real ones cost,
so every time can be measured with nothing downloaded. The loading code is the same for all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.cache import Tell, building, cache_folder, need_disk, silent
from pipelines.duplex.moshi.weights.check import check_lm
from pipelines.duplex.session.options import ModelOptions
from pipelines.guards.texts import parse_json
from pipelines.installation import engine_path, shipped_fixtures
from pipelines.models.find import resolve
from pipelines.models.ids import ModelFilesError
from pipelines.process import environment
from pipelines.weights.error import WeightsError
from pipelines.weights.sizes import (
    BITS,
    CONFIG_NAME,
    FORMAT,
    LM_NAMES,
    MANIFEST_NAME,
    MIMI_BYTES,
    MIMI_NAME,
    SIZES,
    TOKENIZER_NAME,
    Size,
    config,
    lm_bytes,
)

SYNTHETIC = "synthetic"
_SPEECH = "cmd_*.wav"
_MAKER = "pipelines.duplex.moshi.weights.make"


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one model."""

    config: Path
    """``config.json`` in torch's format; lies elsewhere where Moshi's own numbers are meant."""
    lm: Path
    """The language model's safetensors."""
    mimi: Path
    """The codec's safetensors."""
    tokenizer: Path
    """The sentencepiece model of the text stream."""
    synthetic: bool
    """True if made here: it costs what a real model costs, and knows nothing."""
    manifest: dict[str, Any]
    """Facts about the files: sizes, checksums, codes; empty for a user's own."""

    @property
    def options(self) -> dict[str, str]:
        """The paths as keyword arguments of an adapter."""
        return {
            "config": str(self.config),
            "lm": str(self.lm),
            "mimi": str(self.mimi),
            "tokenizer": str(self.tokenizer),
        }


def size_of(model_id: str) -> Size:
    """The size that a model id names: ``moshi-tiny`` → tiny.

    Raises:
        WeightsError: there is none of that name.
    """
    name = model_id.rpartition("-")[2]
    if name not in SIZES:
        raise WeightsError(
            f"No synthetic weights of size {name!r}: there are {', '.join(SIZES)} "
            "(a model id ends in one of them, as in moshi-tiny)."
        )
    return SIZES[name]


def ensure(size: str, precision: str = "bf16", tell: Tell = silent, seed: int = 0) -> Folder:
    """The synthetic weights of a size, made first where they are missing.

    Args:
        size: A key of `SIZES`.
        precision: ``f32`` (computed from bf16), ``bf16``, ``q8`` or ``q4``.
        tell: Takes the progress.
        seed: The same seed gives the same files on the same machine.

    Raises:
        LabError: there is no such size or precision, no room, or no engine environment.
    """
    wanted = size_of(size)
    if precision not in wanted.precisions:
        raise WeightsError(
            f"Synthetic weights of size {size} are made in {', '.join(wanted.precisions)}, "
            f"not in {precision}: change the preset's precision."
        )
    folder = folder_of(size, seed)
    if (found := _finished(folder, precision)) is None:
        with building(folder, tell):
            if (found := _finished(folder, precision)) is None:
                _make(wanted, precision, folder, seed, tell)
                found = _finished(folder, precision)
    if found is None:
        raise WeightsError(f"{folder} is incomplete: remove it, and run again.")
    return found


def folder_of(size: str, seed: int = 0) -> Path:
    """Folder of the synthetic weights of a size, which may not exist."""
    return cache_folder() / "weights" / f"{size}-seed{seed}-v{FORMAT}"


def find(options: ModelOptions, tell: Tell = silent) -> Folder:
    """The files that a preset's ``[model]`` means.

    Raises:
        LabError: they are missing or can't be made; one sentence with what to do.
    """
    if options.weights == SYNTHETIC:
        return ensure(size_of(options.id).name, options.precision, tell)
    try:
        return in_folder(resolve(options.weights), options.precision)
    except ModelFilesError as error:
        told = str(error).rstrip(".")
        raise WeightsError(f'{told}; or say weights = "synthetic".') from error


def in_folder(folder: Path, precision: str) -> Folder:
    """The files of a folder, by the names that its config.json gives, or Kyutai's own.

    Kyutai's older repositories have no config.json: Moshi's own numbers are meant.

    Raises:
        WeightsError: one is missing, or config.json can't be read.
    """
    described = folder / CONFIG_NAME
    table = read_config(described) if described.exists() else {}
    manifest = read_manifest(folder)
    given = str(table.get("moshi_name", ""))
    names = [LM_NAMES[precision]] + ([given] if given and _is_of(given, precision) else [])
    lm = next((folder / n for n in names if (folder / n).exists()), None)
    lm = lm or _there(folder, names[-1], f"the language model in {precision}")
    return Folder(
        config=described if described.exists() else _moshis_own(folder, lm, precision),
        lm=lm,
        mimi=_there(folder, str(table.get("mimi_name", MIMI_NAME)), "the codec"),
        tokenizer=_there(folder, str(table.get("tokenizer_name", TOKENIZER_NAME)), "the tokenizer"),
        synthetic=bool(manifest.get("synthetic", False)),
        manifest=manifest,
    )


def read_config(path: Path) -> dict[str, Any]:
    """A model's ``config.json``.

    Raises:
        WeightsError: it is missing, or not a JSON table.
    """
    try:
        table = parse_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(
            f"{path} can't be read ({error.strerror}): restore it, or fetch it with the weights"
        ) from error
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON ({error}): restore or fetch it again") from error
    if not isinstance(table, dict):
        raise WeightsError(f"{path} holds no JSON table: restore or fetch it again")
    return table


def _is_of(name: str, precision: str) -> bool:
    return ".q4." in name if precision == "q4" else (precision == "q8") == (".q8." in name)


def _there(folder: Path, name: str, what: str) -> Path:
    path = folder / name
    if not path.exists():
        raise WeightsError(
            f"{path} is missing ({what}): put it there, or name another folder or model id "
            'in [model] weights of the preset ("synthetic" needs none).'
        )
    return path


def _moshis_own(folder: Path, lm: Path, precision: str) -> Path:
    """A config.json with Moshi's own numbers, for a folder that has none and a file that fits."""
    table = {k: v for k, v in config(SIZES["7b"]).items() if not k.endswith("_name")}
    try:
        check_lm(lm, table, precision)
    except WeightsError:  # some other model: only its own description will do
        return _there(folder, CONFIG_NAME, "the description, which Moshi 7B alone can do without")
    path = cache_folder() / "weights" / "moshi-7b-config.json"
    text = json.dumps(table, indent=1)
    try:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
    except OSError as error:
        raise WeightsError(
            f"{path} can't be written ({error.strerror}): change its permissions, or put a "
            f"{CONFIG_NAME} into {folder}."
        ) from error
    return path


def read_manifest(folder: Path) -> dict[str, Any]:
    """The facts about a folder's files; empty, as if nothing were finished, without a valid
    manifest.

    The values of a manifest made here have the types that `pipelines.duplex.moshi.weights.make`
    writes.
    """
    try:
        held = parse_json((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return held if _is_manifest(held) else {}


def _is_manifest(held: Any) -> bool:
    if not isinstance(held, dict):
        return False
    files, tokenizer = held.get("files", {}), held.get("tokenizer", {"pieces": 0})
    if not all(isinstance(table, dict) for table in (files, tokenizer, held.get("codec", {}))):
        return False
    return isinstance(tokenizer.get("pieces"), int) and all(
        isinstance(entry, dict)
        and isinstance(entry.get("bytes"), int)
        and isinstance(entry.get("sha256"), str)
        for entry in files.values()
    )


def _finished(folder: Path, precision: str) -> Folder | None:
    """The folder's files if all were finished and still have their sizes."""
    manifest = read_manifest(folder)
    if manifest.get("synthetic") is not True:
        return None
    files = manifest.get("files", {})
    for name in (CONFIG_NAME, MIMI_NAME, TOKENIZER_NAME, LM_NAMES[precision]):
        path = folder / name
        if name not in files or not path.exists() or path.stat().st_size != files[name]["bytes"]:
            return None
    return in_folder(folder, precision)


def _make(size: Size, precision: str, folder: Path, seed: int, tell: Tell) -> None:
    fixtures = shipped_fixtures()
    speech = sorted(p for p in fixtures.glob(_SPEECH) if p.stem.count(".") == 0)
    if not speech:
        raise WeightsError(
            f"{fixtures} has no speech ({_SPEECH}) to calibrate the codec on: install duplex-lab "
            "again, or run from a whole checkout."
        )
    needed = lm_bytes(size.parameters, precision) + MIMI_BYTES
    if precision in ("q4", "q8") and "bf16" in size.precisions:
        needed += lm_bytes(size.parameters, "bf16")
    need_disk(folder, needed * 1.05, f"making the weights {size.name} {precision}")
    tell(f"making synthetic weights: {size.name} {precision}, {needed / 1e9:.1f} GB at most")
    shared = folder.with_name(f"codec-seed{seed}-v{FORMAT}")
    rest = [str(folder), str(shared), str(seed), *map(str, speech)]
    with building(shared, tell):
        if "bf16" in size.precisions:
            _run([sys.executable, "-m", _MAKER, size.name, "bf16", *rest], tell)
        if precision in BITS:
            python = environment.ensure("moshi-mlx", tell)
            _run([python, "-m", _MAKER, size.name, precision, *rest], tell)


def _run(command: list[str], tell: Tell) -> None:
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=engine_path(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.strip())
            tell(line.strip())
    if process.returncode:
        last = next((line for line in reversed(said) if line), "it said nothing")
        raise WeightsError(
            f"Synthetic weights could not be made ({last[-300:]}): correct that and run again; "
            "what was finished is kept."
        )
