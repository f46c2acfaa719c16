"""Kyutai's delayed-streams recognisers in ONNX Runtime, on the CPU, in our own Python.

The same files and the same words as `pipelines.engines.stt.kyutai_stt`; the language model's
matrices are rounded to 4 bits, unless the settings say otherwise. A frame is encoded on a thread of
its own, while the language model still works on the one before. An utterance of more than four
minutes begins anew.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.stt.kyutai_stt import CONFIG, FRAME, KyutaiSttEngine, check_weights, files_of
from pipelines.process.engine import EngineError

if TYPE_CHECKING:
    from pipelines.duplex.moshi.onnx.lm import Codes
    from pipelines.engines.options import SttOptions


class KyutaiSttOnnxEngine(KyutaiSttEngine):
    """One recogniser."""

    def __init__(
        self,
        *,
        model: str,
        threads: int = 1,
        partials: bool = True,
        precision: Literal["q4", "q8", "f32"] = "q4",
    ) -> None:
        """Describes the recogniser.

        Args:
            model: Folder of a checkpoint with its ``config.json``.
            threads: Threads of the language model; the codec has one of its own.
            partials: True to report the words as they come.
            precision: Of the language model's matrices.
        """
        super().__init__(model=model, threads=threads, partials=partials)
        self._precision = precision

    def load(self) -> None:
        """Checks the folder, writes the graphs where they are missing, and loads them."""
        files = files_of(self._folder)
        check_weights(files["moshi_name"], files["mimi_name"])
        import sentencepiece

        from pipelines.duplex.moshi.onnx.lm import OnnxLm
        from pipelines.duplex.moshi.onnx.mimi import MimiOnnx
        from pipelines.weights.error import WeightsError

        config = json.loads(files[CONFIG].read_text(encoding="utf-8"))
        if config.get("dep_q"):
            raise EngineError(
                f"{self._folder} holds a model that speaks (dep_q = {config['dep_q']}): give one "
                "of Kyutai's stt models, or use it as a duplex preset's [model]"
            )
        try:
            self._lm = OnnxLm(
                files["moshi_name"],
                config,
                str(files[CONFIG]),
                precision=self._precision,
                threads=self._threads,
            )
            heads = _heads(files.get("mimi_config_name"))
            self._mimi = MimiOnnx(
                files["mimi_name"],
                self._lm.shape.codebooks,
                heads=heads,
            )
            self._tokenizer = sentencepiece.SentencePieceProcessor(str(files["tokenizer_name"]))
        except WeightsError as error:
            raise EngineError(str(error).rstrip(".")) from error
        except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            raise EngineError(
                f"{self._folder} can't be loaded ({said}): fetch the model again"
            ) from error
        self._encoder = ThreadPoolExecutor(1, "encoder")
        table = config.get("stt_config", {})
        self._before_s = float(table.get("audio_silence_prefix_seconds", 0.0))
        self._delay_s = float(table.get("audio_delay_seconds", 0.5))

    def _reset(self) -> None:
        self._mimi.reset()
        self._begin()

    def _begin(self) -> None:
        from pipelines.duplex.moshi.onnx.lm import LmConversation

        self._steps = LmConversation(self._lm, temperature=0.0, text_temperature=0.0)

    def _hear(self, pcm: bytes, first: bool) -> Generator[int, None, None]:
        """Whole frames of float32 at 24 kHz → the text token that each gives."""
        with closing(self._codes(pcm)) as each:
            for codes in each:
                if self._steps.steps >= self._lm.shape.context - 1:
                    self._begin()
                    first = True
                if first:  # the model's first step sees its start tokens, whatever its input
                    self._steps.step(codes)
                    first = False
                text = self._steps.step(codes).text
                assert text is not None, "without a delay each step has a text"
                yield text

    def _codes(self, pcm: bytes) -> Generator[Codes, None, None]:
        """The codes of each frame; the next one is encoded while a frame's are worked on."""
        import numpy as np

        coming: deque[Future[Any]] = deque()
        try:
            for frame in np.frombuffer(pcm, "<f4").reshape(-1, 1, 1, FRAME):
                coming.append(self._encoder.submit(self._mimi.encode_step, frame))
                if len(coming) > 1:
                    yield coming.popleft().result()[0, :, 0].astype(np.int64)
            if coming:
                yield coming.popleft().result()[0, :, 0].astype(np.int64)
        finally:
            wait(coming)  # of a cancelled utterance: the next one's reset must not meet it


def _heads(config: Path | None) -> int:
    """Heads of a codec that is not Kyutai's own; 0: it is."""
    if config is None:
        return 0
    table: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    return int(table["transformer"]["num_heads"])


@dataclass(frozen=True, slots=True)
class Settings:
    """``settings`` of this engine."""

    precision: Literal["q4", "q8", "f32"] = "q4"
    """Precision of the language model's matrices."""


def _arguments(options: SttOptions, model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "threads": options.threads,
        "partials": options.partials,
        "precision": options.settings.get("precision", "q4"),
    }


ROW = EngineRow(
    stage="stt",
    name="kyutai-stt-onnx",
    what="Kyutai's delayed-streams recognisers in ONNX Runtime",
    licence="MIT",
    engine=KyutaiSttOnnxEngine,
    arguments=_arguments,
    settings=Settings,
    reads=("model",),
    model="synthetic:1b",
    maker="pipelines.engines.synthetic.kyutai_stt_plain:MAKER",
    capabilities=("streaming", "partials", "4 bits"),
    measured=("1b",),
)
