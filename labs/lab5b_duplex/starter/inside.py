"""Opens duplex-nano up: what it hears, means and says, frame by frame. Nothing to do here.

python inside.py [FIXTURE] [--deaf]

One line a frame of 80 ms: how loud the user is; the word that the ear reads, and how sure it is;
the inner monologue; the first codebook's code; how loud the agent is. --deaf: the ear's words are
kept from the language model, which still has its 96 numbers of sound.
"""

import sys

import numpy as np

from bench.fixtures.library import RATE_HZ, read_pcm, select
from pipelines.audio.resample import resample
from pipelines.duplex.nano.ear import VECTOR
from pipelines.duplex.nano.files import CARD_NAME, PACKAGED
from pipelines.duplex.nano.model import NanoDuplex
from pipelines.duplex.session.model import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

AFTER_S = 5.0
"""Time after the user's last sample for which it is heard."""
BAR = 12


def bar(pcm: np.ndarray | None) -> str:
    """Peak level, −60 to 0 dBFS."""
    peak = 0.0 if pcm is None else float(np.abs(pcm).max())
    level = 1 + np.log10(max(peak, 1e-6)) / 3
    return ("#" * round(BAR * float(np.clip(level, 0, 1)))).ljust(BAR)


def frames_of(name: str) -> tuple[str, np.ndarray]:
    """The user's words in a fixture's first turn, and its frames (n, 1920) at 24 kHz."""
    turn = select(name)[0].turns[0]
    pcm = resample(read_pcm(turn) / 32768, RATE_HZ, SAMPLE_RATE_HZ).astype(np.float32)
    size = -(-(len(pcm) + int(AFTER_S * SAMPLE_RATE_HZ)) // FRAME_SAMPLES) * FRAME_SAMPLES
    return turn.text, np.pad(pcm, (0, size - len(pcm))).reshape(-1, FRAME_SAMPLES)


def main() -> None:
    """Prints one turn."""
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    if set(sys.argv[1:]) - set(names) - {"--deaf"} or len(names) > 1:
        sys.exit(__doc__)
    text, frames = frames_of(names[0] if names else "cmd_bring_green_cup")
    model = NanoDuplex(config=str(PACKAGED / CARD_NAME), temperature=0.3, text_temperature=0.2)
    model.load()
    print(f"the user says: {text}\n    s  user         ear                agent        code  says")
    with model.open(seed=0) as session:
        for number, pcm in enumerate(frames):
            heard = session.encode(pcm)
            words = heard[VECTOR:]  # the likelihood of no word in this frame, then of each word
            best = int(words.argmax())
            read = f"{model.ear.words[best - 1]} {words[best]:.2f}" if best else ""
            if "--deaf" in sys.argv:
                words[:] = 0
                words[0] = 1
            said = session.advance(heard)
            spoken = None if said.codes is None else session.decode(said.codes)
            code = "" if said.codes is None else int(said.codes[0])
            at_s = number * FRAME_MS / 1000
            line = f"{at_s:5.2f}  {bar(pcm)} {read:<18} {bar(spoken)} {code:>4}  {said.text or ''}"
            print(line.rstrip())


if __name__ == "__main__":
    main()
