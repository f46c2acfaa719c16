"""Your face says three sentences: python play.py (--headless without a window).

It writes the messages to the face (messages.jsonl), the voice (reply.wav), and, once a page has
played it, each frame's audio-to-mouth offset (results/play/face.parquet).
"""

import sys
from pathlib import Path

from lips import blend
from mouth import openness, smooth

from labs.lab5c_face.playing import messages, play, replies, write_messages, write_wav
from pipelines.errors import LabError


def main() -> None:
    """Makes the messages, and plays them."""
    spoken, first = [], 0
    for reply in replies():
        told = messages(reply, first, Path("states.toml"), openness, smooth, blend)
        spoken.append((reply, told))
        first += len(reply.pcm)
    write_messages(Path("messages.jsonl"), [message for _, told in spoken for message in told])
    write_wav(Path("reply.wav"), spoken[0][0].pcm)
    if "--silent" not in sys.argv:
        play(spoken, Path("results/play"), headless="--headless" in sys.argv)


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(str(error))
