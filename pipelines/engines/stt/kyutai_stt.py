"""Speech recognition by Kyutai's delayed-streams model (moshi on torch): a token every 80 ms.

One request is one utterance, as in `pipelines.engines.stt.pocketsphinx`. The model hears as the
user speaks and writes half a second later (by its config), so at the end of an utterance it gets
that much silence at once, as fast as it can take it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.row import EngineRow, Model
from pipelines.process.engine import Emit, EngineError, Request

if TYPE_CHECKING:
    from pipelines.engines.options import SttOptions

RATE_HZ = 16000
FRAME = 1920
"""Samples of 24 kHz in 80 ms."""
CONFIG = "config.json"
NAMES = {
    "moshi_name": "model.safetensors",
    "mimi_name": "mimi-pytorch-e351c8d8@125.safetensors",
    "tokenizer_name": "tokenizer_en_fr_audio_8000.model",
}
"""Keys of the config → the files that they name, and Kyutai's own names."""
_SILENT = (0, 3)
"""Text tokens of silence: the end of a pause, and a pause."""


class KyutaiSttEngine:
    """One recogniser."""

    def __init__(
        self, *, model: str, device: str = "cpu", threads: int = 1, partials: bool = True
    ) -> None:
        """Describes the recogniser.

        Args:
            model: Folder of a checkpoint with its ``config.json``.
            device: ``cpu``, ``cuda`` or ``auto``.
            threads: Threads of torch, on the CPU.
            partials: True to report the words as they come.
        """
        self._folder = Path(model)
        self._device = device
        self._threads = threads
        self._partials = partials
        self._torch: Any = None
        self._mimi: Any = None
        self._steps: Any = None
        self._tokenizer: Any = None
        self._before_s = 0.0
        self._delay_s = 0.0

    def load(self) -> None:
        """Checks the folder, then loads it; nothing is ever fetched."""
        files = files_of(self._folder)
        check_weights(files["moshi_name"], files["mimi_name"])
        from pipelines.weights.moshi_torch_core import set_up_torch

        device = set_up_torch(self._threads, self._device)
        import torch
        from moshi.models import LMGen
        from moshi.models.loaders import CheckpointInfo

        info = CheckpointInfo.from_hf_repo(
            "local",
            moshi_weights=files["moshi_name"],
            mimi_weights=files["mimi_name"],
            tokenizer=files["tokenizer_name"],
            config_path=files[CONFIG],
            mimi_config_path=files.get("mimi_config_name"),
        )
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        try:
            self._mimi = info.get_mimi(device=device)
            lm = info.get_moshi(device=device, dtype=dtype)
            self._tokenizer = info.get_text_tokenizer()
        except Exception as error:  # torch, safetensors, sentencepiece: exceptions of many kinds
            said = " ".join(str(error).split())[:200]
            raise EngineError(
                f"moshi can't load {self._folder} ({said}): fetch the model again"
            ) from error
        if lm.dep_q:
            raise EngineError(
                f"{self._folder} holds a model that speaks (dep_q = {lm.dep_q}): give one of "
                "Kyutai's stt models, or use it as a duplex preset's [model]"
            )
        self._before_s = float(info.stt_config.get("audio_silence_prefix_seconds", 0.0))
        self._delay_s = float(info.stt_config.get("audio_delay_seconds", 0.5))
        self._torch, self._on = torch, device
        self._steps = LMGen(lm, **{**info.lm_gen_config, "temp_text": 0.0, "use_sampling": False})
        with torch.no_grad():
            self._mimi.streaming_forever(1)
            self._steps.streaming_forever(1)

    def warm_up(self) -> None:
        """Hears half a second of silence."""
        self._reset()
        for _ in self._hear(bytes(4 * FRAME * 6), first=True):
            pass

    def run(self, request: Request, emit: Emit) -> None:
        """Recognises one utterance."""
        import numpy as np

        self._reset()
        resampler = To24k()
        waiting: Any = np.zeros(round(self._before_s * 24000), np.float32)
        tokens: list[int] = []
        told, first, last = "", True, False
        while not last:
            pieces = [request.next_piece(), *request.waiting_pieces()]
            last = any(header.get("last") for header, _ in pieces)
            heard = resampler.feed(b"".join(payload for _, payload in pieces))
            waiting = np.concatenate([waiting, heard])
            if last:
                frames = math.ceil((len(waiting) + self._delay_s * 24000) / FRAME)
                waiting = np.concatenate([waiting, np.zeros(frames * FRAME - len(waiting), "f4")])
            whole = len(waiting) // FRAME * FRAME
            with closing(self._hear(waiting[:whole].tobytes(), first)) as found:
                for token in found:
                    tokens.append(token)
                    if emit.cancelled:
                        return
            waiting, first = waiting[whole:], first and not whole
            text = self._text(tokens)
            if self._partials and text != told and not last:
                told = text
                emit.mark("stt", "partial", text=text)
                emit({"partial": text})
        final = self._text(tokens)
        emit.mark("stt", "final", text=final)
        emit({"final": final})

    def _reset(self) -> None:
        self._mimi.reset_streaming()
        self._steps.reset_streaming()

    def _hear(self, pcm: bytes, first: bool) -> Generator[int, None, None]:
        """Whole frames of float32 at 24 kHz → the text token that each gives."""
        torch = self._torch
        audio = torch.frombuffer(bytearray(pcm), dtype=torch.float32) if pcm else torch.zeros(0)
        for frame in audio.to(self._on).view(-1, 1, 1, FRAME):
            with torch.no_grad():
                codes = self._mimi.encode(frame)
                if first:  # the model's first step sees its start tokens, whatever its input
                    self._steps.step(codes)
                    first = False
                out = self._steps.step(codes)
            if out is not None:
                yield int(out[0, 0, 0])

    def _text(self, tokens: list[int]) -> str:
        said = [t for t in tokens if t not in _SILENT and 0 <= t < self._tokenizer.vocab_size()]
        return (
            "".join(self._tokenizer.id_to_piece(said))
            .replace("\N{LOWER ONE EIGHTH BLOCK}", " ")
            .strip()
        )


class To24k:
    """16 kHz int16 → 24 kHz float32, whatever the pieces: three samples for two."""

    def __init__(self) -> None:
        import numpy as np

        taps = 97  # at 48 kHz: 1 ms of delay
        at = np.arange(taps) - taps // 2
        kernel = np.sinc(at * 7600 / 24000) * np.hanning(taps)
        self._kernel = (3 * kernel / kernel.sum()).astype(np.float32)
        self._past = np.zeros(taps - 1, np.float32)
        self._rest = np.zeros(0, np.float32)

    def feed(self, pcm: bytes) -> Any:
        """The next samples at 24 kHz."""
        import numpy as np

        new: Any = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
        new = np.concatenate([self._rest, new])
        whole = len(new) // 2 * 2
        new, self._rest = new[:whole], new[whole:]
        if not whole:
            return new
        spread = np.zeros(3 * whole, np.float32)
        spread[::3] = new
        joined = np.concatenate([self._past, spread])
        self._past = joined[-len(self._past) :]
        return np.convolve(joined, self._kernel, "valid")[::2].astype(np.float32)


def files_of(folder: Path) -> dict[str, Path]:
    """The checkpoint's files, by the keys of its config that name them.

    Raises:
        EngineError: the folder, its config or one of the files is not there.
    """
    config = folder / CONFIG
    try:
        table = json.loads(config.read_text(encoding="utf-8"))
        names = {key: str(table.get(key, name)) for key, name in NAMES.items()}
        kind = table.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise EngineError(
            f"{config} can't be read: give the folder of one of Kyutai's stt models, complete"
        ) from error
    if kind != "stt":
        raise EngineError(
            f"{config} describes no recogniser (model_type is {kind!r}, not 'stt'): give one of "
            "Kyutai's stt models"
        )
    if "mimi_config_name" in table:
        names["mimi_config_name"] = str(table["mimi_config_name"])
    files = {key: folder / name for key, name in names.items()}
    if missing := [path.name for path in files.values() if not path.is_file()]:
        raise EngineError(f"{folder} lacks {', '.join(missing)}: give the model, complete")
    return {**files, CONFIG: config}


def check_weights(*paths: Path) -> None:
    """Checks a safetensors file before torch is imported for it.

    Raises:
        EngineError: one is damaged, or none.
    """
    from pipelines.weights.error import WeightsError
    from pipelines.weights.safetensors import read_header

    try:
        for path in paths:
            read_header(path)
    except WeightsError as error:
        raise EngineError(str(error).rstrip(".")) from error


def _arguments(options: SttOptions, model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "device": options.device,
        "threads": options.threads,
        "partials": options.partials,
    }


ROW = EngineRow(
    stage="stt",
    name="kyutai-stt",
    what="Kyutai's delayed-streams recognisers on torch",
    licence="MIT",
    engine=KyutaiSttEngine,
    arguments=_arguments,
    reads=("model",),
    model="synthetic:1b",
    environment="moshi-torch",
    maker="pipelines.engines.synthetic.kyutai_stt:MAKER",
    devices=("cuda", "cpu"),
    capabilities=("streaming", "partials"),
    measured=("1b",),
)
