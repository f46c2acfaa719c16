"""Speech recognition by PocketSphinx, streaming, with a language model of the domain's sentences.

One request is one utterance: ``utterance`` is fed pieces of 16 kHz int16 PCM, the last of them
with ``last``. It answers ``{"partial": text}`` whenever the hypothesis changes, and at the end
``{"final": text}``. PocketSphinx never releases the GIL, one reason for a process of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.engines.row import EngineRow, Model, in_package, on_disk
from pipelines.process.engine import Emit, EngineError, Request, pieces
from pipelines.process.scratch import Scratch

if TYPE_CHECKING:
    from pipelines.engines.options import SttOptions

RATE_HZ = 16000
_WARM_UP_S = 0.5
SENTENCES = Path(__file__).parents[2] / "models" / "creature" / "user_sentences.txt"
"""Likely sentences of a user, one a line, lower case. Lines with # are comments."""


class PocketSphinxEngine:
    """The recogniser with its wheel's en-us acoustic model."""

    def __init__(
        self,
        *,
        lm: Literal["domain", "default"] = "domain",
        sentences: str | None = None,
        bestpath: bool = True,
        fwdflat: bool = False,
    ) -> None:
        """Describes the recogniser.

        Args:
            lm: A trigram model of ``sentences``, or the general one of the wheel.
            sentences: Text file, one sentence a line; default: `SENTENCES`.
            bestpath: Search the word lattice at the end of an utterance.
            fwdflat: Decode a second time at the end of an utterance: fewer errors, a longer tail.
        """
        self._lm = lm
        self._sentences = Path(sentences) if sentences else SENTENCES
        self._passes = {"bestpath": bestpath, "fwdflat": fwdflat}
        self._decoder: Any = None
        self._fresh_cmn = ""

    def load(self) -> None:
        """Builds the language model and loads the decoder."""
        from pocketsphinx import Decoder, get_model_path

        model = Path(get_model_path()) / "en-us"
        paths = {"hmm": str(model / "en-us"), "dict": str(model / "cmudict-en-us.dict")}
        with Scratch("lm-") as folder:
            lm = model / "en-us.lm.bin"
            if self._lm == "domain":
                lm = folder / "domain.arpa"
                _write_trigrams(self._sentences, lm)
            self._decoder = Decoder(lm=str(lm), loglevel="FATAL", **paths, **self._passes)
        # Cepstral means adapt to the sound heard; a new conversation starts from these.
        self._fresh_cmn = self._decoder.get_cmn(False)

    def warm_up(self) -> None:
        """Decodes half a second of silence."""
        self._decoder.start_utt()
        self._decoder.process_raw(bytes(int(RATE_HZ * _WARM_UP_S) * 2), False, False)
        self._decoder.end_utt()
        self._decoder.set_cmn(self._fresh_cmn)

    def run(self, request: Request, emit: Emit) -> None:
        """Recognises one utterance; header ``fresh`` discards what was learnt of the speaker."""
        decoder = self._decoder
        if request.header.get("fresh"):
            decoder.set_cmn(self._fresh_cmn)
        decoder.start_utt()
        try:
            said = ""
            for _, pcm in pieces(request):
                if pcm:
                    decoder.process_raw(pcm, False, False)
                if (text := _text(decoder)) != said:
                    said = text
                    emit.mark("stt", "partial", text=text)
                    emit({"partial": text})
        finally:
            decoder.end_utt()
        if not emit.cancelled:
            final = _text(decoder)
            emit.mark("stt", "final", text=final)
            emit({"final": final})


def _text(decoder: Any) -> str:
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis is not None else ""


def _write_trigrams(sentences: Path, arpa: Path) -> None:
    from pocketsphinx.lm import ArpaBoLM

    try:
        lines = sentences.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(
            f"the sentences of its language model can't be read ({error}): "
            "restore the file, or set lm = 'default' under [stt]"
        ) from error
    said = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not said:
        raise EngineError(f"{sentences} holds no sentence to build a language model from")
    model = ArpaBoLM(text="\n".join(said), add_start=True, case="lower")
    model.compute()
    model.write_file(str(arpa))


def _arguments(options: SttOptions, model: Model) -> dict[str, Any]:
    return {
        "lm": options.lm,
        "sentences": options.sentences or None,
        "bestpath": options.bestpath,
        "fwdflat": options.fwdflat,
    }


def _files(options: SttOptions) -> list[dict[str, str]]:
    files = [in_package("pocketsphinx en-us", "pocketsphinx")]
    if options.lm == "domain":  # its language model is built of them when it loads
        said = Path(options.sentences) if options.sentences else SENTENCES
        files.append(on_disk("pocketsphinx domain sentences", said))
    return files


ROW = EngineRow(
    stage="stt",
    name="pocketsphinx",
    what="PocketSphinx with its en-us model",
    licence="BSD-2-Clause",
    engine=PocketSphinxEngine,
    arguments=_arguments,
    called="pocketsphinx",
    files=_files,
    capabilities=("streaming", "partials", "domain language model"),
    tested="trained weights",
)
