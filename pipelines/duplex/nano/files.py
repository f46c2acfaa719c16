"""duplex-nano's weights: the files, their completeness, and the stages that were trained.

``nano.json`` describes a folder: format, sizes, checksums, and the stages that were trained. Only a
model whose stages were all trained is called trained: any other one babbles, and is labelled so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.duplex.nano.names import DECODER, EAR_NAME, EAR_WORDS, LM_NAME
from pipelines.guards.texts import parse_json
from pipelines.weights.error import WeightsError

if TYPE_CHECKING:
    from pipelines.duplex.session.options import ModelOptions

FORMAT = 2
SHIPPED = "shipped"
"""Value of a preset's ``weights`` for the package's own."""
PACKAGED = Path(__file__).parent / "weights"
CARD_NAME = "nano.json"
VOCABULARY_NAME = "vocabulary.txt"
FILES = (EAR_NAME, EAR_WORDS, DECODER, LM_NAME, VOCABULARY_NAME)
SPECIAL = 3
"""Text tokens before the words: nothing, begin, end."""
STAGES = ("codec", "ear", "read", "speak", "joint")
"""Stages of training, in order."""
_MEND = "restore it (git checkout), or make it: training/nano_duplex/README.md says how"


@dataclass(frozen=True, slots=True)
class NanoWeights:
    """A folder of weights that is complete."""

    folder: Path
    trained: tuple[str, ...]
    """The stages of `STAGES` that were trained."""
    words: tuple[str, ...]
    """The words it can say; word i is text token i + 3."""
    word_frames: tuple[float, ...]
    """Duration of each in frames, to the next word's begin."""
    card: dict[str, Any]
    """Contents of ``nano.json``."""

    @property
    def eagerness(self) -> float:
        """Its threshold to speak, calibrated on validation dialogues: see `NanoLm.open`."""
        return float(self.card.get("eagerness", 0.0))

    @property
    def label(self) -> Literal["trained", "synthetic"]:
        """Label of its results: synthetic unless it learned to converse."""
        done = set(self.trained)
        whole = {"codec", "ear"} <= done and ("joint" in done or {"read", "speak"} <= done)
        return "trained" if whole else "synthetic"


class NanoFiles:
    """What a preset's ``weights`` means: a `pipelines.duplex.session.row.Weights`."""

    def arguments(self, model: ModelOptions) -> dict[str, Any]:
        """See `pipelines.duplex.session.row.Weights.arguments`."""
        return {"config": str(folder_of(model.weights) / CARD_NAME)}

    def check(self, model: ModelOptions, where: str) -> None:
        """Nothing: the preset alone shows no fault."""

    def provide(self, model: ModelOptions, tell: Callable[[str], None]) -> str:
        """See `pipelines.duplex.session.row.Weights.provide`: no run makes them."""
        return read(folder_of(model.weights)).label

    def listed(self, model: ModelOptions) -> list[dict[str, str]]:
        """See `pipelines.duplex.session.row.Weights.listed`."""
        told = read(folder_of(model.weights)).card["files"]
        return [
            {"name": f"{model.id} {Path(name).stem}", "file": name, "sha256": file["sha256"]}
            for name, file in told.items()
        ]

    def reads(self, model: ModelOptions) -> str:
        """Nothing: they lie in the package, or in a folder."""
        return ""

    def unmade(self, model: ModelOptions) -> str:
        """Nothing: no run makes them."""
        return ""

    def missing(self, model: ModelOptions) -> list[str]:
        """See `pipelines.duplex.session.row.Weights.missing`: the sizes are checked alone."""
        read(folder_of(model.weights), hashes=False)
        return []


def folder_of(weights: str) -> Path:
    """The folder that a preset's ``weights`` means.

    Raises:
        WeightsError: it names none.
    """
    if weights == SHIPPED:
        return PACKAGED
    if weights == "synthetic":
        raise WeightsError(
            'No run makes weights of duplex-nano: set weights = "shipped" in [model], or name a '
            "folder made by python -m training.nano_duplex.make untrained --out FOLDER."
        )
    return Path(weights).expanduser()


def read(folder: Path, *, hashes: bool = True) -> NanoWeights:
    """Checks a folder.

    Args:
        folder: Folder with ``nano.json``.
        hashes: True to check every byte, not only the sizes.

    Raises:
        WeightsError: a file is missing, cut short, changed, or of another version.
    """
    card = _card(folder / CARD_NAME)
    for name in FILES:
        _check(folder / name, card["files"].get(name), hashes)
    words = tuple((folder / VOCABULARY_NAME).read_text(encoding="utf-8").split())
    frames = card.get("word_frames", [])
    if len(frames) != len(words):
        raise WeightsError(
            f"{folder / CARD_NAME} times {len(frames)} words and {VOCABULARY_NAME} has "
            f"{len(words)}: they are of two models; {_MEND}."
        )
    trained = tuple(stage for stage in STAGES if stage in card.get("trained", ()))
    return NanoWeights(folder, trained, words, tuple(map(float, frames)), card)


def _card(path: Path) -> dict[str, Any]:
    try:
        card = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise WeightsError(
            f"{path} is missing, so there are no weights of duplex-nano here: {_MEND}."
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} can't be read as JSON ({error}): {_MEND}.") from error
    if not isinstance(card, dict) or not isinstance(card.get("files"), dict):
        raise WeightsError(f"{path} describes no weights of duplex-nano: {_MEND}.")
    if card.get("format") != FORMAT:
        raise WeightsError(
            f"{path} is of format {card.get('format')!r} and this version of duplex-lab reads "
            f"{FORMAT}: take the weights that belong to it; {_MEND}."
        )
    return card


def _check(path: Path, told: Any, hashes: bool) -> None:
    """Checks one file against its entry in ``nano.json``."""
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {_MEND}.")
    if not isinstance(told, dict) or not {"bytes", "sha256"} <= told.keys():
        raise WeightsError(f"{path.parent / CARD_NAME} does not describe {path.name}: {_MEND}.")
    size = path.stat().st_size
    if size != told["bytes"]:
        raise WeightsError(
            f"{path} has {size:,} bytes and should have {told['bytes']:,}: it was cut short or "
            f"changed; {_MEND}."
        )
    if hashes and sha256_of(path) != told["sha256"]:
        raise WeightsError(f"{path} was changed (its sha256 is not that of nano.json): {_MEND}.")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
