"""What holds up an answer inside the agent's process: a blocked event loop, a resampler."""

from __future__ import annotations

from bench.causes.cause import PIPECAT, Case, Cause, Evidence, in_ms, since, voice_rate_hz
from pipelines.clock import NS_PER_MS

HELD_MS = 5.0
"""Least audio that a resampler holds back before it is named, ms."""
NOBODY = "no processor was seen: the machine was busy, or a library held Python's lock"


# Detectors


def blocked_loop(case: Case) -> Evidence | None:
    """The time between u_off and a_on in which the event loop ran nothing, by who held it."""
    until_ns = case.turn.a_on_ns
    if until_ns is None:
        return None
    held: dict[str, int] = {}
    for mark in case.timeline.all("agent", "blocked"):
        end_ns = mark.t_ns + round((mark.value or 0.0) * NS_PER_MS)
        inside = min(end_ns, until_ns) - max(mark.t_ns, case.turn.u_off_ns)
        if inside > 0:
            held[mark.text or NOBODY] = held.get(mark.text or NOBODY, 0) + inside
    most = sorted(held, key=lambda who: -held[who])
    seen = ", ".join(f"{who}: {in_ms(held[who]):.0f} ms" for who in most)
    return since(0, sum(held.values()), seen)


def resampler(case: Case) -> Evidence | None:
    """Audio that a resampler holds back.

    Of a duplex model what its session says; else the time from the synthesiser's first audio, at
    another rate than the link's, to the first chunk on the link.
    """
    told = [m.value for m in case.timeline.all("duplex", "hold_back") if m.value]
    if told:
        return since(0, round(told[-1] * NS_PER_MS), "on the way in", HELD_MS)
    path, rate_hz = case.path, case.timeline.trial.rate_hz
    voice_hz = voice_rate_hz(case)
    if voice_hz is None or voice_hz == rate_hz:
        return None
    return since(path.first_byte, path.write, f"{voice_hz:.0f} → {rate_hz} Hz", HELD_MS)


ROWS = (
    Cause(
        "blocked_loop",
        "the event loop was blocked",
        "Something computed or waited on the agent's event loop, so that no other processor of "
        "the pipeline ran meanwhile.",
        "Move that work off the loop: await an asynchronous client, asyncio.to_thread for what "
        "releases Python's lock (GIL), a process of its own for what does not.",
        "agent.blocked, its part between u_off and a_on, by the processor that was seen on the "
        "loop; blocks of 50 ms and more",
        "any pipeline on asyncio",
        "https://docs.python.org/3/library/asyncio-dev.html#running-blocking-code",
        on_turn=blocked_loop,
    ),
    Cause(
        "resampler",
        "a resampler held audio back",
        "The audio has another rate than the link, and the resampler between keeps the newest part "
        "of it until more has come.",
        "Ask the voice for the link's rate, or open the link at the voice's (audio_out_sample_rate "
        "in Pipecat, out_rate_hz in [audio]).",
        "duplex.hold_back; or tts.rate unlike the recording's, and tts.first_byte → link.write",
        "Pipecat 1.14 (soxr, VHQ)",
        f"{PIPECAT}/audio/resamplers/soxr_stream_resampler.py",
        on_turn=resampler,
    ),
)
"""The rows, in the order in which they are stored."""
