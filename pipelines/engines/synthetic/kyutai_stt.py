"""Makes one of Kyutai's recognisers with random weights, as the package moshi reads it.

Run by the interpreter of the engine environment ``moshi-torch``:
``python -m pipelines.engines.synthetic.kyutai_stt FOLDER SIZE``. The package itself builds the
networks of the config, so they are the true ones; a step costs the same whatever is heard.
"""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engines.row import Maker
from pipelines.engines.stt.kyutai_stt import CONFIG, NAMES
from pipelines.engines.synthetic.words import SYNTHETIC_FILE, marked_beside

DELAY_S = 0.5
_MIMI = "mimi_config.json"


@dataclass(frozen=True, slots=True)
class Size:
    """Dimensions of the language model; of the codec too, where it is smaller than Kyutai's."""

    dim: int
    layers: int
    heads: int
    codebooks: int
    text_card: int
    codec_dim: int = 512
    codec_filters: int = 64
    codec_layers: int = 8


SIZES: dict[str, Size] = {
    "micro": Size(64, 2, 4, 4, 2000, codec_dim=64, codec_filters=4, codec_layers=1),
    "1b": Size(2048, 16, 16, 32, 8000),
}
"""Name → dimensions; 1b is stt-1b-en_fr's."""


def config(size: Size) -> dict[str, Any]:
    """The ``config.json`` of a size."""
    return {
        "model_type": "stt",
        "card": 2048,
        "n_q": size.codebooks,
        "dep_q": 0,
        "delays": [0] * (size.codebooks + 1),
        "dim": size.dim,
        "text_card": size.text_card,
        "existing_text_padding_id": 3,
        "num_heads": size.heads,
        "num_layers": size.layers,
        "hidden_scale": 4.125,
        "causal": True,
        "layer_scale": None,
        "context": 750,
        "max_period": 100000,
        "gating": "silu",
        "norm": "rms_norm_f32",
        "positional_embedding": "rope",
        "extra_heads_num_heads": 4,
        "extra_heads_dim": 6,
        "stt_config": {"audio_silence_prefix_seconds": 0.0, "audio_delay_seconds": DELAY_S},
        **NAMES,
        "mimi_config_name": _MIMI,
    }


def codec_config(size: Size) -> dict[str, Any]:
    """The config of the codec: Kyutai's own, narrower where the size says so."""
    from moshi.models import loaders

    table: dict[str, Any] = copy.deepcopy(loaders._mimi_config)
    d = size.codec_dim
    table["seanet"] |= {"dimension": d, "n_filters": size.codec_filters}
    table["transformer"] |= {
        "d_model": d,
        "num_layers": size.codec_layers,
        "dim_feedforward": 4 * d,
        "input_dimension": d,
        "output_dimensions": [d],
    }
    table["quantizer"] |= {
        "n_q": max(8, size.codebooks),
        "dimension": d // 2,
        "input_dimension": d,
        "output_dimension": d,
    }
    return table


def make(folder: Path, size: Size, seed: int = 0) -> None:
    """Writes the checkpoint."""
    import torch
    from moshi.models.loaders import get_mimi, get_moshi_lm
    from safetensors.torch import save_file

    from pipelines.weights.tokenizer import train

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    table, codec = config(size), codec_config(size)
    data, pieces = train(size.text_card)
    (folder / NAMES["tokenizer_name"]).write_bytes(data)
    mimi = get_mimi(None, codec, num_codebooks=size.codebooks)
    state = {name: value.clone().contiguous() for name, value in mimi.state_dict().items()}
    for name, value in state.items():  # the package leaves codebooks empty
        if name.endswith(("embedding_sum", "_initialized", "cluster_usage")):
            state[name] = torch.randn_like(value) if "sum" in name else torch.ones_like(value)
    save_file(state, folder / NAMES["mimi_name"])
    names = {"model_type", "stt_config", "mimi_config_name", *NAMES}
    lm = get_moshi_lm(
        None, {k: v for k, v in table.items() if k not in names}, dtype=torch.bfloat16
    )
    state = {name: value.clone().contiguous() for name, value in lm.state_dict().items()}
    head = state["text_linear.weight"]  # (text_card, dim)
    torch.nn.init.normal_(head, std=size.dim**-0.5)
    head[:4], head[pieces:] = 0, 0  # the token of silence is never said
    save_file(state, folder / NAMES["moshi_name"])
    for name, values in ((CONFIG, table), (_MIMI, codec), (SYNTHETIC_FILE, {"seed": seed})):
        (folder / name).write_text(json.dumps(values, indent=1), encoding="utf-8")


MAKER = Maker(
    "kyutai-stt",
    gb=dict(zip(SIZES, (0.01, 5.0), strict=True)),
    is_random=marked_beside,
    environment="moshi-torch",
)


if __name__ == "__main__":
    make(Path(sys.argv[1]), SIZES[sys.argv[2]])
