"""duplex-nano's weights: which files there are, whether they are whole, and what was trained.

``nano.json`` describes a folder: format, sizes, checksums, and the stages that were trained. Only a
model whose stages were all trained is called trained: any other one babbles, and is labelled so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.duplex.nano_ear import EAR_NAME, EAR_WORDS
from pipelines.duplex.nano_lm import LM_NAME
from pipelines.duplex.nano_voice import DECODER
from pipelines.duplex.weights_error import WeightsError

FORMAT = 2
SHIPPED = "shipped"
"""``weights`` of a preset that means the package's own."""
PACKAGED = Path(__file__).parent / "nano" / "weights"
CARD_NAME = "nano.json"
VOCABULARY_NAME = "vocabulary.txt"
FILES = (EAR_NAME, EAR_WORDS, DECODER, LM_NAME, VOCABULARY_NAME)
SPECIAL = 3
"""Text tokens before the words: nothing, begin, end."""
STAGES = ("codec", "ear", "read", "speak", "joint")
"""Of training, in order."""
_MEND = "restore it (git checkout), or make it: training/nano_duplex/README.md says how"


@dataclass(frozen=True, slots=True)
class NanoWeights:
    """A folder of weights that was found whole."""

    folder: Path
    trained: tuple[str, ...]
    """The stages of `STAGES` that were trained."""
    words: tuple[str, ...]
    """The words it can say; word i is text token i + 3."""
    word_frames: tuple[float, ...]
    """How long it says each, in frames, to the next word's begin."""
    card: dict[str, Any]
    """``nano.json``."""

    @property
    def eagerness(self) -> float:
        """Its threshold to speak, calibrated on validation dialogues: see `NanoLm.open`."""
        return float(self.card.get("eagerness", 0.0))

    @property
    def label(self) -> Literal["trained", "synthetic"]:
        """What its results are to be labelled with: synthetic unless it learned to converse."""
        done = set(self.trained)
        whole = {"codec", "ear"} <= done and ("joint" in done or {"read", "speak"} <= done)
        return "trained" if whole else "synthetic"


def folder_of(weights: str) -> Path:
    """The folder that a preset's ``weights`` means.

    Raises:
        WeightsError: it means none.
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
    """Looks a folder over.

    Args:
        folder: With ``nano.json``.
        hashes: Whether every byte is checked, not only the sizes.

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
        card = json.loads(path.read_text(encoding="utf-8"))
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
    """One file against what ``nano.json`` says of it."""
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
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
