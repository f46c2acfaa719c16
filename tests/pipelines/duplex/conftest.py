"""What tests of duplex models share: an engine environment and tiny weights, made if missing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.duplex.moshi.weights import files as weights


def _tell(words: str) -> None:
    print(words, flush=True)


@pytest.fixture(scope="session")
def tiny_weights(moshi_mlx_python: str) -> weights.Folder:
    """Synthetic weights of size tiny, bf16."""
    return weights.ensure("tiny", "bf16", _tell)


@pytest.fixture
def copied_weights(tiny_weights: weights.Folder, tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of links to the tiny weights, some files left out, to be harmed by a test."""

    def copy(*without: str) -> Path:
        folder = tmp_path / "weights"
        folder.mkdir()
        for file in tiny_weights.config.parent.iterdir():
            if file.name not in without and not file.name.startswith("."):
                (folder / file.name).symlink_to(file)
        return folder

    return copy
