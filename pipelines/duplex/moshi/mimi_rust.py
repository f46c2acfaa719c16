"""Mimi by rustymimi: a new pair of codecs, one to encode and one to decode, for every session.

Two, because a tokenizer that two threads use at once raises ``Already borrowed``. New, because its
``reset()`` leaves state behind: after it the first frame's codes depend on the last frame of the
session before, and decoded samples differ in the last bit (rustymimi 0.4.1, measured). Making a
pair takes 0.4 s, in which it holds the GIL, so it is done as soon as a session ends.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from pipelines.weights.error import WeightsError

CODEBOOKS = 8
_REST_S = 0.05
"""Pause before the GIL is taken, s, in which the old session's end is reported."""


class FreshCodecs:
    """Pairs of rustymimi tokenizers, none of which is used for two sessions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pair: tuple[Any, Any] | None = None
        self._maker: threading.Thread | None = None
        self._timer = threading.Event()

    def take(self) -> tuple[Any, Any]:
        """A fresh encoder and decoder; waits while they are being made.

        Raises:
            WeightsError: the file can't be loaded.
        """
        if self._maker is not None:
            self._timer.set()
            self._maker.join()
            self._maker = None
        pair, self._pair = self._pair or self._make_pair(), None
        return pair

    def make(self) -> None:
        """Makes the next pair now.

        Raises:
            WeightsError: the file can't be loaded.
        """
        self._pair = self._make_pair()

    def make_soon(self) -> None:
        """Makes the next pair in the background; a failure is reported by `take`, which tries
        again.
        """
        self._timer.clear()
        self._maker = threading.Thread(target=self._make_quietly, name="codecs", daemon=True)
        self._maker.start()

    def _make_quietly(self) -> None:
        self._timer.wait(_REST_S)
        try:
            self.make()
        except WeightsError:
            self._pair = None

    def _make_pair(self) -> tuple[Any, Any]:
        return self._make_one(), self._make_one()

    def _make_one(self) -> Any:
        # Read when the library is imported. One frame's work gains nothing from a second thread.
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
        import rustymimi

        try:
            return rustymimi.Tokenizer(str(self._path), num_codebooks=CODEBOOKS)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in Rust is no Exception
            words = str(error).splitlines() or [type(error).__name__]
            raise WeightsError(
                f"{self._path} can't be loaded by rustymimi ({words[0]}): restore or fetch it again"
            ) from error
