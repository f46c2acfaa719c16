"""Judges the codec by what it is for: gate 1, and what a listener would complain of.

Agent: answers that were never trained on, spoken by the agent's voice, through the codec, read by
PocketSphinx; the word error rate may be 4 points above the originals'. Beside it the faults of
``codec_faults``, a sheet of spectrograms and the sounds. ``judge_ear`` judges the user's side.

Runs without torch, on the exported graphs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.duplex.nano.sound import FRAME, RATE_HZ, Floats
from pipelines.engines.stt.pocketsphinx import RATE_HZ as ASR_HZ
from pipelines.engines.stt.pocketsphinx import PocketSphinxEngine
from pipelines.process.engine import Emit, Request
from training.nano_duplex.agent_codec import FOLDER, AgentCodec
from training.nano_duplex.answers import expected
from training.nano_duplex.codec_faults import frame_roughness, pause_level_db, periodicity
from training.nano_duplex.codec_shards import AGENT, read_shards

POINTS = 4.0
"""By so much may the word error rate grow."""
_PAUSE = 4 * FRAME
"""Silence before and after each sentence: it shows whether the codec keeps silent."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence before and after the codec, aligned."""

    text: str
    original: Floats
    decoded: Floats


def resynthesise(codec: AgentCodec, text: str, pcm: Floats) -> Pair:
    """Speech through the codec, with silence around it, its delay taken out."""
    frames = -(-(len(pcm) + 2 * _PAUSE + codec.delay) // FRAME)
    padded = np.zeros(frames * FRAME, np.float32)
    padded[_PAUSE : _PAUSE + len(pcm)] = pcm
    decoded = codec.decode(codec.encode(padded).codes)
    return Pair(text, padded[: len(padded) - codec.delay], decoded[codec.delay :])


class Recogniser:
    """PocketSphinx as the cascade has it, with a trigram model of the given sentences."""

    def __init__(self, sentences: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory(prefix="nano-lm-") as folder:
            path = Path(folder) / "sentences.txt"
            path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
            self._engine = PocketSphinxEngine(sentences=str(path))
            self._engine.load()

    def read(self, pcm: Floats) -> str:
        """The words of one utterance at 24 kHz."""
        from pipelines.audio.resample import resample

        low = resample(pcm, RATE_HZ, ASR_HZ)
        raw = np.clip(np.rint(low * 32767), -32768, 32767).astype(np.int16).tobytes()
        request, said = Request("judge", "utterance", {"fresh": True}, b""), [""]

        def take(header: dict[str, Any], payload: bytes, marks: list[Any]) -> None:
            said[0] = header.get("final", said[0])

        request.feed({"last": True}, raw)
        self._engine.run(request, Emit(request, take))
        return said[0]


def word_errors(wanted: Sequence[str], read: Sequence[str]) -> float:
    """Percent."""
    import jiwer

    return 100 * float(jiwer.wer(list(wanted), list(read)))


def faults(pairs: Sequence[Pair]) -> dict[str, float]:
    """Means over the pairs; ``_was``: of the originals."""
    rows = []
    for pair in pairs:
        was, became = periodicity(pair.original, pair.decoded)
        rows.append(
            {
                "periodicity_was": was,
                "periodicity": became,
                "frame_roughness_was": frame_roughness(pair.original),
                "frame_roughness": frame_roughness(pair.decoded),
                "pause_dbfs": pause_level_db(pair.original, pair.decoded),
            }
        )
    return {key: round(float(np.nanmean([row[key] for row in rows])), 3) for key in rows[0]}


def sheet(pairs: Sequence[Pair], path: Path) -> None:
    """Spectrograms, the original above what was decoded, two pairs a row; and FLACs beside."""
    import matplotlib

    matplotlib.use("Agg")
    import soundfile
    from matplotlib import pyplot

    columns = 2
    rows = -(-len(pairs) // columns)
    figure, axes = pyplot.subplots(2 * rows, columns, figsize=(16, 3.6 * rows), squeeze=False)
    for place, pair in enumerate(pairs):
        for below, (name, pcm) in enumerate(
            (("original", pair.original), ("decoded", pair.decoded))
        ):
            axis = axes[2 * (place // columns) + below][place % columns]
            axis.specgram(pcm + 1e-6, NFFT=512, Fs=RATE_HZ, noverlap=384, vmin=-150, vmax=-40)
            axis.set_ylim(0, 8000)
            axis.set_title(f"{place:02d} {name}: {pair.text}"[:90], fontsize=7, pad=2)
            axis.tick_params(labelsize=6)
            soundfile.write(path.parent / f"{path.stem}_{place:02d}_{name}.flac", pcm, RATE_HZ)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def judge(folder: Path, data: Path, number: int, out: Path) -> dict[str, Any]:
    """All figures of the agent's side."""
    codec, chosen = AgentCodec(folder), dict[str, Pair]()
    for said in read_shards(data / "valid"):
        if said.role == AGENT and said.text not in chosen and len(chosen) < number:
            pcm = said.pcm.astype(np.float32) / np.float32(32768)
            chosen[said.text] = resynthesise(codec, said.text, pcm)
    texts, pairs = list(chosen), list(chosen.values())
    recogniser = Recogniser(expected())
    before = word_errors(texts, [recogniser.read(pair.original) for pair in pairs])
    after = word_errors(texts, [recogniser.read(pair.decoded) for pair in pairs])
    out.mkdir(parents=True, exist_ok=True)
    sheet(pairs[:20], out / "codec_sheet.png")
    return {
        "sentences": len(texts),
        "words": sum(len(text.split()) for text in texts),
        "wer_original": round(before, 2),
        "wer_decoded": round(after, 2),
        "passed": after <= before + POINTS,
        **faults(pairs),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=FOLDER)
    parser.add_argument("--sentences", type=int, default=120)
    parser.add_argument("--data", type=Path, default=Path("build/nano/data/codec"))
    parser.add_argument("--out", type=Path, default=Path("build/nano"))
    args = parser.parse_args()
    found = judge(args.weights, args.data, args.sentences, args.out)
    (args.out / "codec_agent.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
