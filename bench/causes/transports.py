"""What a transport does to a call, seen from the caller alone: see docs/transports.md."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from bench.causes.cause import PIPECAT, Case, Cause, Evidence, in_ms
from pipelines.clock import NS_PER_MS, samples_to_ns
from pipelines.marks import EventName

AIORTC = "https://github.com/aiortc/aiortc"
TELEPHONE_HZ = 8_000
BLOCKS_HZ = {1_100: 24_000, 758: 16_000}
"""Bytes of a payload that Pipecat's resampler to 8 kHz gives at a time → the rate before it."""
CHUNK_MS = 40.0
"""Audio that Pipecat sends at a time, ms: what the first payload would hold without a resampler."""
LEAST_PAYLOADS = 3
HALF_SPEED = (1.7, 2.5)
"""Time between two messages over the audio in one, at which audio comes at half speed."""
LEAST_PAIRS = 10
LAG_MS = 40.0
"""Least lag that is named, ms: two packets."""
LOOK_AHEAD_MS = 6.5
"""What Opus's encoder truly holds back, ms."""
SLOW_TRACK_MS = 10.0
"""Frame that aiortc's resampler keeps back of a Pipecat track below 48 kHz, ms."""


def _line(case: Case) -> str:
    """The line that the caller spoke; empty where it is not known."""
    return next((m.text or "" for m in case.timeline.all("line", "dialled")), "")


def _fact(case: Case, event: EventName) -> float | None:
    """A fact about the call's whole transport; None: it was not seen."""
    return next((m.value for m in case.timeline.all("line", event)), None)


def _reply(case: Case) -> list[tuple[int, int]]:
    """(arrival in ns, samples) of the turn's chunks, from its answer on."""
    on_ns, end_ns = case.turn.a_on_ns or 0, case.turn.end_ns
    arrived = case.timeline.all("ear", "received")
    inside = (m for m in arrived if m.t_ns >= on_ns and (end_ns is None or m.t_ns < end_ns))
    return [(m.t_ns, int(m.value or 0)) for m in inside]


# Detectors


def payloads_in_bursts(case: Case) -> Evidence | None:
    """The audio of a burst beyond that of a message without a resampler."""
    if _line(case) != "twilio":
        return None
    sizes = [samples for _, samples in _reply(case)]
    usual = max(sizes, key=sizes.count, default=0)
    rate_hz = BLOCKS_HZ.get(usual)
    if rate_hz is None or sizes.count(usual) < LEAST_PAYLOADS:
        return None
    lost_ms = usual * 1000 / TELEPHONE_HZ - CHUNK_MS
    return Evidence(lost_ms, f"payloads of {usual:,} bytes: the output is at {rate_hz:,} Hz")


def lag_after_loss(case: Case) -> Evidence | None:
    """The lag that the caller's jitter buffer has kept since a packet was lost."""
    until_ns = case.turn.a_on_ns
    lags = [m.value for m in case.timeline.all("line", "lag") if until_ns and m.t_ns <= until_ns]
    lag_ms = lags[-1] if lags else None
    if lag_ms is None or lag_ms < LAG_MS:
        return None
    lost_ms = sum(m.value or 0.0 for m in case.timeline.all("line", "audio_lost"))
    return Evidence(lag_ms, f"{lost_ms:.0f} ms of audio never came in this call")


def stereo_at_half_speed(case: Case) -> Evidence | None:
    """The silence that was heard within the answer, between messages that came half as fast."""
    if (_fact(case, "channels") or 1) < 2:
        return None
    rate_hz = case.timeline.trial.rate_hz
    chunks = _reply(case)
    pairs = [
        (later - t_ns, samples_to_ns(samples, rate_hz))
        for (t_ns, samples), (later, _) in pairwise(chunks)
        if samples and later - t_ns < 1000 * NS_PER_MS
    ]
    if len(pairs) < LEAST_PAIRS:
        return None
    ratio = median(between / held for between, held in pairs)
    if not HALF_SPEED[0] <= ratio <= HALF_SPEED[1]:
        return None
    silent_ns = sum(max(0, between - held) for between, held in pairs)
    held_ms, between_ms = in_ms(pairs[0][1]), in_ms(pairs[0][1]) * ratio
    return Evidence(in_ms(silent_ns), f"{held_ms:.0f} ms of sound every {between_ms:.0f} ms")


def pre_skip(case: Case) -> Evidence | None:
    """The sound that lies within what the head of the stream says to skip, but for what is true."""
    told_ms = _fact(case, "pre_skip")
    heard = case.timeline.all("ear", "heard")
    sounds = case.timeline.sounds
    if told_ms is None or told_ms <= LOOK_AHEAD_MS + 1 or not heard or not sounds:
        return None
    skipped_until_ns = heard[0].t_ns + round(told_ms * NS_PER_MS)
    cut_ms = in_ms(skipped_until_ns - sounds[0].start_ns)
    if cut_ms <= 0 or case.turn.a_on_ns != sounds[0].start_ns:
        return None
    return Evidence(min(cut_ms, told_ms - LOOK_AHEAD_MS), f"{told_ms:.0f} ms said, 6.5 true")


def slow_track(case: Case) -> Evidence | None:
    """The frame that the resampler of the bot's encoder keeps back."""
    rate_hz = _fact(case, "track_rate")
    if rate_hz is None:
        return None
    return Evidence(SLOW_TRACK_MS, f"nothing above {rate_hz / 2000:g} kHz")


ROWS = (
    Cause(
        "payloads_in_bursts",
        "the telephone's audio came in bursts",
        "The pipeline's output is not at 8 kHz, and the resampler behind it hands out nothing "
        "before a block is full; what does not fill one, the end of every reply, is never sent.",
        "Set audio_in_sample_rate=8000 and audio_out_sample_rate=8000 in PipelineParams for calls "
        "by telephone.",
        "line twilio; ear.received with 1,100 bytes (from 24 kHz) or 758 (from 16 kHz) again and "
        "again; the block beyond 40 ms",
        "Pipecat 1.14 with soxr's stream resampler",
        f"{PIPECAT}/serializers/twilio.py",
        on_turn=payloads_in_bursts,
    ),
    Cause(
        "lag_after_loss",
        "a lost packet left a lag",
        "The jitter buffer of aiortc waits for a lost packet until it is full, and never empties "
        "again: all that follows is later by what it then holds, to the call's end. A browser "
        "catches up.",
        "Compare calls without loss; a bot whose receiver is aiortc (Pipecat's SmallWebRTC) hears "
        "its user late for the same reason: use a wire with fewer losses, or TURN over TCP.",
        "line.lag, the last one before the answer; line.audio_lost says what never came",
        "aiortc 1.16 (capacity 16 packets, prefetch 4)",
        f"{AIORTC}/blob/main/src/aiortc/jitterbuffer.py",
        on_turn=lag_after_loss,
    ),
    Cause(
        "slow_track",
        "the bot's track is below 48 kHz",
        "The encoder's resampler to 48 kHz keeps one frame of a slower track back, so all of the "
        "bot's audio is a frame later.",
        "Let the voice speak at 48 kHz (audio_out_sample_rate=48000), if its synthesiser does; "
        "10 ms are lost otherwise.",
        "line.track_rate: an edge in the spectrum of what came by Opus; a frame of 10 ms, "
        "Pipecat's",
        "Pipecat 1.14 with aiortc 1.16",
        f"{PIPECAT}/transports/smallwebrtc/transport.py",
        on_turn=slow_track,
    ),
    Cause(
        "stereo_at_half_speed",
        "stereo was sent at half speed",
        "The transport paces its messages by their bytes, as if they were mono, so that stereo "
        "takes twice as long as it lasts, with a hole after every message.",
        "Send mono: audio_out_channels=1, Pipecat's default.",
        "line pipecat; line.channels = 2, and ear.received at twice the audio's own time; the "
        "silence between",
        "Pipecat 1.14, FastAPIWebsocketTransport",
        f"{PIPECAT}/transports/websocket/fastapi.py",
        loses="figure",
        on_turn=stereo_at_half_speed,
    ),
    Cause(
        "pre_skip",
        "the Ogg head says to skip sound",
        "The head of the stream says that its first 80 ms are the encoder's look-ahead, of which "
        "6.5 are; a player that obeys (FFmpeg, libsndfile, browsers) cuts the first word.",
        "Decode with sphn, which ignores it, as this line does; or begin the stream with 80 ms of "
        "silence.",
        "line moshi; line.pre_skip above 6.5 ms, and sound within it at the call's start",
        "sphn 0.2",
        "https://github.com/LaurentMazare/sphn",
        loses="figure",
        on_turn=pre_skip,
    ),
)
"""The rows, in the order in which they are stored."""
