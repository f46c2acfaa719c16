"""What each protocol of the voice server delays by itself: its filters, packets and buffers.

No server of a protocol can be quicker than that, so what a door adds is measured beyond it. Each
delay is derived from the codec that the server and the caller use, and not from a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.lines.table import row_of
from pipelines.audio.stream_resample import StreamResampler
from pipelines.server.doors import voice
from pipelines.wires import g711

PRESET_HZ = 24_000
"""Rate of the agent behind the doors, both ways: that of every protocol that names one."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """One delay of a protocol's own, both ways together."""

    what: str
    ms: float
    """As a rule: its mean."""
    spread_ms: float = 0.0
    """By which it is more at most."""


@dataclass(frozen=True, slots=True)
class Door:
    """One door, and the line that calls it."""

    line: str
    path: str
    """``{preset}`` stands for the agent's name."""
    aim_ms: tuple[float, float] = (5.0, 15.0)
    """Aim for the median and the 99th percentile of what is beyond the fixed delays."""
    fixed: tuple[Fixed, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    """Of the line."""

    @property
    def fixed_ms(self) -> tuple[float, float]:
        """All its fixed delays: as a rule, and at most."""
        usual = sum(one.ms for one in self.fixed)
        return usual, usual + sum(one.spread_ms for one in self.fixed)


def doors(preset: str) -> dict[str, Door]:
    """Name → door, as an agent is called that speaks at `PRESET_HZ`.

    A message of a protocol delays nothing where it has the length of the caller's chunk (20 ms), or
    is filled at once: an agent's audio comes up to 40 ms ahead of the time at which it is heard.

    Args:
        preset: The agent's name at the server.
    """
    return {
        "stream": Door("stream", "/v1/stream?preset={preset}", (3.0, 10.0)),
        "realtime": Door("openai-realtime", "/v1/realtime?model={preset}"),
        "twilio": Door(
            "twilio",
            "/twilio/media",
            fixed=(_filters(g711.RATE_HZ),),
            options={"parameters": {"preset": preset}},
        ),
        "moshi": Door("moshi", "/api/chat?preset={preset}", fixed=(_look_ahead("moshi"),)),
        "webrtc": Door(
            "webrtc",
            "/api/offer?preset={preset}",
            fixed=(
                _filters(voice.RATE_HZ),
                Fixed("look-ahead of Opus: the caller's", row_of("webrtc").look_ahead_ms),
                Fixed("the server's, in its low-delay mode", voice.LOOK_AHEAD_MS),
                # aiortc's receiver hands a packet on once four are there: at each end.
                _twice("jitter buffer, 4 packets", row_of("webrtc").buffer_ms),
                # The agent speaks at any time, and its track gives a packet each 20 ms.
                _grid("the track's next packet", 1e3 * voice.FRAME / voice.RATE_HZ),
            ),
        ),
    }


def _filters(rate_hz: int) -> Fixed:
    """The filters to the protocol's rate and from it."""
    there = StreamResampler(rate_hz, PRESET_HZ).delay_s
    back = StreamResampler(PRESET_HZ, rate_hz).delay_s
    ms = 1e3 * (there + back)
    return Fixed(f"filters between {rate_hz} and {PRESET_HZ} Hz", ms)


def _look_ahead(line: str) -> Fixed:
    return _twice("look-ahead of Opus", row_of(line).look_ahead_ms)


def _twice(what: str, ms: float) -> Fixed:
    return Fixed(f"{what}, each way", 2 * ms)


def _grid(what: str, ms: float) -> Fixed:
    """A wait for the next tick of a grid, from nothing to the whole of it."""
    return Fixed(what, ms / 2, ms / 2)
