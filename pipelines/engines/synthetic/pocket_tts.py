"""Makes a Pocket TTS with random weights, as its package reads it.

Run by the interpreter of the engine environment ``moshi-torch``:
``python -m pipelines.engines.synthetic.pocket_tts FOLDER SIZE``. The package itself builds the
networks of its own configuration, so they are the true ones. Lengths are forced by the engine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.engines.row import Maker
from pipelines.engines.synthetic.words import SYNTHETIC_FILE, marked_beside

LANGUAGE = "english_2026-10"
"""The package's configuration from which the sizes are made."""
VOICES = ("alba", "marius")
CONFIG = "config.yaml"


def _as_it_is(_: dict[str, Any]) -> None:
    """The package's own dimensions."""


def _narrow(table: dict[str, Any]) -> None:
    """Every layer is there, and narrow."""
    flow, mimi = table["flow_lm"], table["mimi"]
    flow["flow"] |= {"dim": 32, "depth": 2}
    flow["transformer"] |= {"d_model": 64, "num_heads": 4, "num_layers": 2}
    flow["lookup_table"] |= {"dim": 64, "n_bins": 2000}
    mimi |= {"outer_dim": 64}
    mimi["seanet"] |= {"dimension": 64, "n_filters": 4}
    mimi["transformer"] |= {
        "d_model": 64,
        "num_heads": 4,
        "num_layers": 1,
        "dim_feedforward": 64,
        "input_dimension": 64,
        "output_dimensions": [64],
    }
    mimi["quantizer"] |= {"output_dimension": 64}


SIZES: dict[str, Callable[[dict[str, Any]], None]] = {"micro": _narrow, "english": _as_it_is}
"""Name → changes to the package's configuration."""


def make(folder: Path, size: str, seed: int = 0) -> None:
    """Writes weights, tokenizer, voices and configuration."""
    import torch
    import yaml
    from pocket_tts import TTSModel
    from pocket_tts.models.model_state import export_model_state
    from pocket_tts.utils.config import CONFIGS_DIR
    from safetensors.torch import save_file

    from pipelines.weights.tokenizer import train

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    text = (Path(CONFIGS_DIR) / f"{LANGUAGE}.yaml").read_text(encoding="utf-8")
    table = yaml.safe_load(text)
    SIZES[size](table)
    lookup = table["flow_lm"]["lookup_table"]
    data, _ = train(lookup["n_bins"])
    (folder / "tokenizer.model").write_bytes(data)
    lookup |= {"tokenizer": "sentencepiece", "tokenizer_path": str(folder / "tokenizer.model")}
    table |= {"weights_path": None, "weights_path_without_voice_cloning": None}
    (folder / CONFIG).write_text(yaml.safe_dump(table), encoding="utf-8")
    model = TTSModel.load_model(config=folder / CONFIG)
    for value in model.parameters():
        if not value.isfinite().all():  # left as the memory was
            torch.nn.init.normal_(value, std=0.02)
    for name in VOICES:
        state = model.get_state_for_audio_prompt(0.1 * torch.randn(1, 24000))
        export_model_state(state, folder / f"{name}.safetensors")
    weights = {name: value.clone().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    lookup["tokenizer_path"] = "tokenizer.model"  # the engine names the files of this folder
    (folder / CONFIG).write_text(yaml.safe_dump(table), encoding="utf-8")
    (folder / SYNTHETIC_FILE).write_text(json.dumps({"seed": seed}), encoding="utf-8")


MAKER = Maker(
    "pocket-tts",
    gb=dict(zip(SIZES, (0.02, 1.0), strict=True)),
    is_random=marked_beside,
    environment="moshi-torch",
)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])
