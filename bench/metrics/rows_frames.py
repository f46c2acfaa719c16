"""The rows of the table of metrics that only duplex models have: frame by frame, 80 ms for each.

All of them leave a session's first 25 frames out (`DISCARDED`), but for the counts. Those of the
group ``frames`` need the user's audio in time; those of the group ``machine`` do not.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.metrics import of_frames as of
from bench.metrics.metric import Metric
from bench.metrics.of_trials import TrialMeasure


def _frames(
    number: int, name: str, description: str, read: TrialMeasure, unit: str = "ms"
) -> Metric:
    return Metric(number, name, unit, "frames", description, read)


def _machine(
    number: int, name: str, description: str, read: TrialMeasure, unit: str = "ms"
) -> Metric:
    return Metric(number, name, unit, "machine", description, read)


def _per_frame_rows() -> Iterator[Metric]:
    """The quantiles of what is read off each frame."""
    yield from (
        _frames(
            3,
            f"hidden_lag_{suffix}",
            "output frame j heard − (t0 + j · 80 ms), j by order of emission: where its first "
            f"sample lies in the agent's stream, against the user's; {suffix}",
            of.hidden_lag(p),
        )
        for suffix, p in (("p50", 0.5), ("max", 1.0))
    )
    for suffix, p in (*of.QUANTILES.items(), ("max", 1.0)):
        text = f"frame emitted − the one before emitted, without a jitter buffer; {suffix}"
        yield _frames(9, f"inter_frame_{suffix}", text, of.quantile_of(of.inter_frame_ms, p))
    for suffix, p in of.QUANTILES.items():
        text = (
            "frame done − the one before done, of frames that were there before the model was "
            f"ready (handed ≤ ready), and of unpaced sessions; {suffix}"
        )
        yield _machine(10, f"service_{suffix}", text, of.service_quantile(p))
    yield _machine(10, "service_mean", "its mean", of.service_mean)
    for suffix, p in of.QUANTILES.items():
        text = f"frame's last input sample there (frame_in) → its output emitted; {suffix}"
        read = of.quantile_of(of.frame_latency_ms, p)
        yield _frames(10, f"frame_latency_{suffix}", text, read)
    for suffix in ("p50", "p99"):
        p = of.QUANTILES[suffix]
        yield _machine(
            10,
            f"stage_{suffix}",
            f"a stage's own time: encode, step, decode; {suffix}",
            of.several(*(of.quantile_of(of.stage_ms(stage), p, stage) for stage in of.STAGES)),
        )
        yield _machine(
            10,
            f"added_{suffix}",
            "(start − max(handed, ready)) + (emitted − done) of each frame; its parts in and out "
            f"as subjects; {suffix}",
            of.several(
                of.quantile_of(of.added_ms, p),
                of.quantile_of(of.added_in_ms, p, "in"),
                of.quantile_of(of.added_out_ms, p, "out"),
            ),
        )


DUPLEX_METRICS: tuple[Metric, ...] = (
    *_per_frame_rows(),
    _frames(
        10,
        "deadline_miss",
        "frames emitted > 80 ms after the deadline before; deadlines start at the first emission, "
        "and anew at each miss",
        of.deadline_miss,
        "%",
    ),
    _frames(
        10,
        "playout_miss",
        "frames that came after all before them had been played, with a pre-roll of B at the "
        "start and after each such miss",
        of.misses,
        "%",
    ),
    _machine(11, "rtf", "mean service / 80 ms", of.rtf, ""),
    _machine(11, "headroom", "80 ms − p99 of service", of.headroom),
    _frames(
        12,
        "backlog_p50",
        "audio offered − consumed each time that the model begins with a frame: start − frame_in; "
        "median",
        of.quantile_of(lambda frames: of.backlog_ms(frames)[1], 0.5),
    ),
    _frames(
        12,
        "backlog_max",
        "the same, largest",
        of.quantile_of(lambda frames: of.backlog_ms(frames)[1], 1.0),
    ),
    _frames(
        12,
        "drift",
        "Theil–Sen slope of the backlog over ≥ 120 s, per second of the wall's clock",
        of.drift(lambda slope: slope.value),
        "ms/s",
    ),
    _frames(12, "drift_low", "lower end of its 95 % interval", of.drift(lambda s: s.low), "ms/s"),
    _frames(12, "drift_high", "upper end of its 95 % interval", of.drift(lambda s: s.high), "ms/s"),
    _frames(
        12,
        "ramp",
        "1: the interval of the drift lies outside ±1 ms/s",
        of.drift(lambda slope: float(slope.excludes(of.RAMP_MS_PER_S))),
        "",
    ),
    _machine(
        12,
        "bimodal",
        "1: Hartigan's dip test rejects one mode of service at 1 %, and its p5 and p95 are ≥ 1 ms "
        "apart",
        of.bimodal,
        "",
    ),
    _machine(
        20,
        "warm_start",
        "conversation opened on a warm model → its thread ready for the first frame",
        of.warm_start,
    ),
    _machine(12, "frames_in", "input frames of the conversation, all of them", of.counted(len), ""),
    _machine(
        12,
        "dropped_frames",
        "frames that the policy drop left out",
        of.counted(lambda frames: frames.dropped),
        "",
    ),
    _machine(
        12,
        "lost_frames",
        "frames of which no end is marked though a later one was done; must be 0",
        of.counted(lambda frames: frames.lost),
        "",
    ),
    _machine(
        12,
        "doubled_frames",
        "marks that a frame had already had; must be 0",
        of.counted(lambda frames: frames.doubled),
        "",
    ),
)
"""In the order in which they are stored."""
