"""Run by the engine environment moshi-torch: what the package pocket-tts makes of latents.

``pocket_torch_child.py FOLDER LATENTS.npy SOUND.npy`` prints heads and context as JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from pocket_tts import TTSModel
from pocket_tts.modules.stateful_module import increment_steps, init_states

from pipelines.engines.tts.pocket_tts import _local_config, files_of


def main(folder, latents, sound):
    with tempfile.TemporaryDirectory() as held:
        config = Path(held) / "config.yaml"
        config.write_text(_local_config(files_of(Path(folder), "alba")), encoding="utf-8")
        model = TTSModel.load_model(config=config)
    codec, said = model.mimi, []
    frames = np.load(latents)
    steps = int(codec.encoder_frame_rate / codec.frame_rate)
    state = init_states(codec, batch_size=1, sequence_length=steps * len(frames))
    with torch.no_grad():
        for frame in frames:
            said.append(codec.decode_from_latent(torch.from_numpy(frame)[None, None], state))
            increment_steps(codec, state, increment=steps)
    np.save(sound, torch.cat(said, dim=2).numpy().reshape(-1))
    shape = model.config.mimi.decoder_transformer or model.config.mimi.transformer
    print(json.dumps({"heads": shape.num_heads, "context": shape.context}))


if __name__ == "__main__":
    main(*sys.argv[1:])
