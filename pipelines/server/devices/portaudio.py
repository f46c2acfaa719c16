"""The sound card by PortAudio (package ``sounddevice``, extra ``local``)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pipelines.clock import NS_PER_S, monotonic_ns, samples_to_ns
from pipelines.server.devices.card import (
    BLOCK_MS,
    RATE_HZ,
    Device,
    DeviceError,
    Fill,
    Lost,
    Take,
)

MOST_LATENCY_S = 1.0
"""Longest way through a card that is believed, s: some hosts state none, or nonsense."""


class PortAudio:
    """The devices that PortAudio finds.

    Raises:
        DeviceError: the package or the library is missing.
    """

    def __init__(self) -> None:
        try:
            import sounddevice
        except ImportError:
            raise DeviceError(
                "This machine's microphone needs the package 'sounddevice': pip install "
                "'duplex-lab[local]'."
            ) from None
        except OSError:  # what sounddevice raises without the library
            raise DeviceError(
                "PortAudio, the library behind this machine's microphone, is not here: install it "
                "(Debian, Ubuntu: apt install libportaudio2; Fedora: dnf install portaudio), or "
                "talk by the browser: duplex-lab talk without --local."
            ) from None
        self._sd: Any = sounddevice

    def devices(self) -> Sequence[Device]:
        """All of them.

        Raises:
            DeviceError: PortAudio can't list them.
        """
        try:
            found = self._sd.query_devices()
            ours = {"input": self._default("input"), "output": self._default("output")}
        except self._sd.PortAudioError as error:
            raise DeviceError(f"The sound devices can't be listed: {error}.") from None
        return [
            Device(
                number,
                str(row["name"]),
                int(row["max_input_channels"]),
                int(row["max_output_channels"]),
                round(row["default_samplerate"]),
                ", ".join(side for side, default in ours.items() if default == number),
            )
            for number, row in enumerate(found)
        ]

    def microphone(
        self, device: Device, take: Take, lost: Lost
    ) -> contextlib.AbstractContextManager[int]:
        """Records within the block; gives the rate, Hz.

        Raises:
            DeviceError: it can't be opened.
        """

        def callback(rate_hz: int) -> Callable[..., None]:
            def came(data: Any, frames: int, time: Any, status: Any) -> None:
                way_s = time.currentTime - time.inputBufferAdcTime
                way_s = way_s if 0 <= way_s <= MOST_LATENCY_S else frames / rate_hz
                start_ns = monotonic_ns() - round(way_s * NS_PER_S)
                whole = np.clip(np.nan_to_num(data), -1.0, 1.0)  # whatever a driver may give
                pcm = whole.mean(axis=1, dtype=np.float32)
                take(pcm, start_ns + samples_to_ns(frames, rate_hz))

            return came

        return self._opened(self._sd.InputStream, device, device.inputs, callback, lost)

    def speaker(
        self, device: Device, fill: Fill, lost: Lost
    ) -> contextlib.AbstractContextManager[int]:
        """Plays within the block; gives the rate, Hz.

        Raises:
            DeviceError: it can't be opened.
        """

        def callback(rate_hz: int) -> Callable[..., None]:
            def due(data: Any, frames: int, time: Any, status: Any) -> None:
                way_s = time.outputBufferDacTime - time.currentTime
                way_s = way_s if 0 <= way_s <= MOST_LATENCY_S else 0.0
                data[:] = fill(frames, monotonic_ns() + round(way_s * NS_PER_S))[:, None]

            return due

        return self._opened(self._sd.OutputStream, device, device.outputs, callback, lost)

    # inside

    def _default(self, side: str) -> int:
        """The number of the default device; −1: there is none."""
        number = self._sd.default.device[side]
        return -1 if number is None else int(number)

    @contextlib.contextmanager
    def _opened(
        self,
        kind: Any,
        device: Device,
        channels: int,
        callback: Callable[[int], Callable[..., None]],
        lost: Lost,
    ) -> Iterator[int]:
        """A stream of a device: at 24 kHz in one channel, or as near to that as it can."""
        ending = False

        def ended() -> None:
            if not ending:
                lost(f"the device {device.name} has gone")

        why = ""
        for rate_hz in dict.fromkeys((RATE_HZ, device.rate_hz)):
            for width in dict.fromkeys((1, min(2, channels))):
                try:
                    stream = kind(
                        samplerate=rate_hz,
                        blocksize=rate_hz * BLOCK_MS // 1000,
                        device=device.number,
                        channels=width,
                        dtype="float32",
                        latency="low",
                        callback=callback(rate_hz),
                        finished_callback=ended,
                    )
                    stream.start()
                except self._sd.PortAudioError as error:
                    why = " ".join(str(error).split()).rstrip(".")
                    continue
                try:
                    yield rate_hz
                finally:
                    ending = True
                    stream.close()
                return
        raise DeviceError(
            f"The device {device.name} can't be opened: {why}. Choose another one "
            "(duplex-lab talk --list-devices), or end the program that holds it."
        )
