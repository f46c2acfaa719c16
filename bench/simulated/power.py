"""How often a comparison is wrong, and what it can detect: by simulation, for docs/statistics.md.

Whole comparisons of simulated agents, through the same code as real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.compare.compare import compare
from bench.compare.gate import Gate, judge
from bench.compare.pairs import Side
from bench.simulated.coverage import SEED
from bench.simulated.figures import side
from bench.simulated.latencies import Floats, log_normal, with_tail
from bench.stats.differences import typical
from bench.stats.quantiles import CONFIDENCE

FAMILY = 13
"""Number of metrics shown for a cascade."""
SCATTERS = (0.03, 0.06, 0.12)
"""Variation of the same agent on the same turn from one time to the next (σ of the log)."""
SIZES = (20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 320, 400)
POWER = 0.8


# Whole comparisons


def agent(rng: np.random.Generator, sentences: Floats, slower: float = 1.0) -> Side:
    """A cascade's figures on (n,) sentences: 6 % of scatter, 5 % of turns in a heavy tail.

    Args:
        rng: Source of the agent's own variation.
        sentences: (n,) time that each sentence takes, ms; the same for all agents.
        slower: Factor on the time of its stages.
    """
    n = len(sentences)

    def about(ms: float, scatter: float = 0.06) -> Floats:
        return slower * ms * sentences / 400 * rng.lognormal(0, scatter, n)

    # Misheard words depend on the sentence as well as on chance.
    hard = np.minimum(0.5, 0.1 * (sentences / 400) ** 2)
    wait = with_tail(rng, about(250.0))
    ttft, tail = about(25.0, 0.1), np.maximum(0.0, rng.normal(10, 8, n))
    clause, ttfa, gaps = ttft + about(35.0, 0.1), about(60.0), rng.normal(5, 1, n)
    success = 100.0 * (rng.random(n) > hard)
    heard: list[float | None] = list(wait + clause + ttfa + gaps)
    for i in np.flatnonzero(rng.random(n) < 0.03):
        heard[i] = None
    return side(
        {
            "voice_to_voice": heard,
            "endpointing_delay": wait.tolist(),
            "stt_tail": tail.tolist(),
            "llm_ttft": ttft.tolist(),
            "llm_to_clause": clause.tolist(),
            "tts_ttfa": ttfa.tolist(),
            "residual": gaps.tolist(),
            "task_success": success.tolist(),
            "stt_wer": (20.0 * rng.binomial(5, hard / 3)).tolist(),
            "cpu_s_per_audio_min": about(12.0).tolist(),
            "rss_peak_mb": about(400.0, 0.02).tolist(),
        },
        invalid=set(np.flatnonzero(rng.random(n) < hard / 2).tolist()),
    )


@dataclass(frozen=True, slots=True)
class Alarms:
    """Verdicts on pairs of agents that do not differ; shares of the comparisons."""

    n: int
    """Number of conversations."""
    samples: int
    any_verdict: float
    """Share in which any metric was called faster, slower, better or worse."""
    without_holm: float
    """Share in which any p was at most 5 %."""
    all_held: float
    """Share in which every interval shown held the truth, no change."""
    gate: dict[str, tuple[float, float, float]]
    """Gate → shares in which it held, broke, could not be decided."""


GATES = ("voice_to_voice.p50<=1x", "voice_to_voice.p50<=1.05x", "voice_to_voice.p50<=+30ms")


def alarms(n: int, samples: int, slower: float = 1.0) -> Alarms:
    """Compares ``samples`` pairs of agents on ``n`` conversations each.

    Args:
        n: Conversations.
        samples: Number of pairs.
        slower: Factor on the candidate's times; 1: nothing differs.
    """
    rng = np.random.default_rng([SEED, n])
    gates = [Gate.parse(text) for text in GATES]
    said = bare = held = 0
    states: dict[str, list[str]] = {text: [] for text in GATES}
    for _ in range(samples):
        sentences = log_normal(rng, n)
        pair = agent(rng, sentences), agent(rng, sentences, slower)
        (found,) = compare([pair])
        tested = [c for c in found.metrics if c.shift.p is not None]
        said += any(c.direction for c in tested)
        bare += any((c.shift.p or 0) <= 1 - CONFIDENCE for c in tested)
        held += all((c.shift.low or 0) <= 0 <= (c.shift.high or 0) for c in tested)
        for gate in gates:
            (outcome,) = judge([gate], [pair])
            states[gate.text].append(outcome.state)
    return Alarms(
        n,
        samples,
        said / samples,
        bare / samples,
        held / samples,
        {
            text: (
                of.count("holds") / samples,
                of.count("broken") / samples,
                of.count("unknown") / samples,
            )
            for text, of in states.items()
        },
    )


# The n that is needed


@dataclass(frozen=True, slots=True)
class Effect:
    """A change worth detecting."""

    name: str
    change: Callable[[Floats], Floats]
    """The candidate's times, made from times without the change."""
    difference: Callable[[Floats, Floats], Floats]
    """(base, candidate) → differences."""


EFFECTS = (
    Effect("5 %, ratio", lambda ms: 1.05 * ms, lambda old, new: np.log(new / old)),
    Effect("30 ms of 400", lambda ms: ms + 30, lambda old, new: new - old),
)


def seen(effect: Effect, scatter: float, n: int, samples: int) -> tuple[Floats, Floats]:
    """(samples,) p-values where the change is real: by signed ranks, and by signs alone."""
    from scipy.stats import binom

    rng = np.random.default_rng([SEED, n, round(1000 * scatter)])
    ranks, above = np.ones(samples), np.empty(samples)
    for i in range(samples):
        sentence = log_normal(rng, n)
        base, same = (with_tail(rng, sentence * rng.lognormal(0, scatter, n)) for _ in range(2))
        differences = effect.difference(base, effect.change(same))
        p = typical(differences.tolist()).p
        ranks[i] = 1.0 if p is None else p
        above[i] = np.count_nonzero(differences > 0)
    signs = 2 * binom.cdf(np.minimum(above, n - above), n, 0.5)
    return ranks, np.asarray(signs)


def needed(effect: Effect, scatter: float, samples: int) -> tuple[int | None, ...]:
    """The smallest of `SIZES` that detects the change in 80 % of cases.

    Returns:
        Where it is the only test; where it is the first of `FAMILY` by Holm; and as the only test
        by order statistics, which are not used. None: not even the largest does.
    """
    single = 1 - CONFIDENCE
    found: list[int | None] = [None, None, None]
    for n in SIZES:
        ranks, signs = seen(effect, scatter, n, samples)
        for i, (p, level) in enumerate(
            ((ranks, single), (ranks, single / FAMILY), (signs, single))
        ):
            if found[i] is None and np.mean(p <= level) >= POWER:
                found[i] = n
        if None not in found:
            break
    return tuple(found)
