"""What must hold at a load: one limit on one figure, which holds by its bound and not by its point.

    voice_to_voice.p95<=800ms    a quantile: its upper bound lies within
    no_answer<=1%                a rate of turns: its upper bound lies within
    task_success>=90%            its lower bound
    deadline_miss<=1%            a share of each call: that of the calls' mean

A figure that is null, or of too few calls, is no pass. A turn without an answer is later than any
limit on its latency: an agent that answers every second call is not fast.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.compare.compare import COMPARED
from bench.compare.gate import Gate
from bench.compare.pairs import Side
from bench.metrics.table import METRICS
from bench.stats.conversations import quantile_of_turns, rate_of_turns
from bench.stats.quantiles import CONFIDENCE, Key, needed_n
from bench.store.records import MetricRow, Trial
from pipelines.errors import LabError

State = Literal["holds", "broken", "unknown"]
"""``unknown``: the bound lies beyond the limit, the point does not; or there is no figure."""
ONE_SIDED = 2 * CONFIDENCE - 1
"""Confidence of the two-sided interval of which one end is wrong with 5 % at most."""
_RATES = {of.metric for of in COMPARED if of.scale == "rate"}
NEVER_MS = 1e9
"""Latency of an answer that never came: later than any limit."""
_BARE = re.compile(r"\s*(\w+)\s*(<=|>=)")
_SHARES_OF_A_CALL = frozenset(
    metric.name for metric in METRICS if metric.unit == "%" and metric.on_trial is not None
)
"""Metrics that are a share of each call, in %."""
_LATENCIES = frozenset({"voice_to_voice", "time_to_content"})
"""Metrics of which a turn without an answer has none."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Judged:
    """One limit at one load."""

    slo: Slo
    value: float | None
    bound: float | None
    """The end of the interval on the side of the limit; None where n is too small for it."""
    n: int
    """Turns that count."""
    state: State
    reason: str | None = None
    """Why there is no figure or no bound."""


@dataclass(frozen=True, slots=True)
class Slo:
    """One limit, a service-level objective."""

    gate: Gate

    @classmethod
    def parse(cls, text: str) -> Slo:
        """Reads a limit.

        Raises:
            LabError: it can't be understood, or it is none on a figure of its own.
        """
        bare = _BARE.match(text)
        named = bare[1] if bare else ""
        is_share = named in _SHARES_OF_A_CALL
        whole = text
        if bare and (is_share or named in _RATES):
            whole = f"{named}.{'p95' if is_share else 'rate'}{text[bare.end(1) :]}"
        try:
            gate = Gate.parse(whole)
        except LabError as error:
            raise LabError(str(error).replace("--gate", "--slo").replace(whole, text)) from None
        if gate.kind != "value" or gate.preset:
            raise LabError(
                f"--slo {text!r}: a limit on the agent's own figure is needed, such as "
                "'voice_to_voice.p95<=800ms' or 'no_answer<=1%'"
            )
        if gate.statistic == "mean":
            raise LabError(f"--slo {text!r}: of {gate.metric} take p50, p95 or p99")
        return cls(replace(gate, statistic="rate", text=text.strip()) if is_share else gate)

    @property
    def text(self) -> str:
        """The limit, as it is written."""
        return self.gate.text.replace(".rate", "")

    @property
    def needed(self) -> int:
        """Number of turns without any miss (of a rate), or of calls (of a tail), that are needed
        before its bound can lie within the limit.
        """
        if self.gate.statistic != "rate":
            return needed_n(QUANTILES[self.gate.statistic])
        share = self.gate.limit / 100 if self.gate.at_most else 1 - self.gate.limit / 100
        if not 0 < share < 1:
            raise LabError(f"--slo {self.text!r}: no number of turns can show that")
        return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - share))

    @property
    def counts_turns(self) -> bool:
        """Whether `needed` counts turns, and not calls."""
        return self.gate.metric in _RATES

    def judge(self, trials: Iterable[Trial], rows: Iterable[MetricRow], preset: str) -> Judged:
        """Whether it holds at a load.

        Args:
            trials: The calls of one load.
            rows: Their figures.
            preset: The name under which they were played.
        """
        side = Side.of("", preset, trials, rows)
        keyed = [(_call_and_turn(row), x) for row, x in side.figures(self.gate.metric)]
        if keyed and self.gate.metric in _LATENCIES:
            keyed += [(_call_and_turn(row), NEVER_MS) for row in unanswered(side)]
        if keyed and self.gate.metric in _SHARES_OF_A_CALL and self.gate.at_most:
            keyed += [((trial_id, 0), 100.0) for trial_id in _without(side, self.gate.metric)]
        if not keyed:
            why = Counter(r.reason for r in side.rows.get(self.gate.metric, ()) if r.reason)
            most = f": {why.most_common(1)[0][0]}" if why else ""
            none = f"no turn has a {self.gate.metric}{most}"
            return Judged(self, None, None, 0, "unknown", none)
        return self._judged(keyed)

    def _judged(self, keyed: Sequence[tuple[Key, float]]) -> Judged:
        if self.gate.statistic == "rate":
            found = rate_of_turns([(key, x / 100) for key, x in keyed], ONE_SIDED)
            scale = 100.0
        else:
            p = QUANTILES[self.gate.statistic]
            found = quantile_of_turns(keyed, p, ONE_SIDED if p == 0.5 else CONFIDENCE)
            scale = 1.0
        bound = found.high if self.gate.at_most else found.low
        value = None if found.value is None else found.value * scale
        bound = None if bound is None else bound * scale
        state, reason = self._state(value, bound), found.insufficient
        if max(value or 0.0, bound or 0.0) >= NEVER_MS / 2:
            reason = f"so many turns had no answer that the {self.gate.statistic} may be one"
            value, bound = (None if x is None or x >= NEVER_MS / 2 else x for x in (value, bound))
        return Judged(self, value, bound, found.n, state, reason)

    def _state(self, value: float | None, bound: float | None) -> State:
        sign = 1 if self.gate.at_most else -1
        if bound is not None and sign * bound <= sign * self.gate.limit:
            return "holds"
        if value is not None and sign * value > sign * self.gate.limit:
            return "broken"
        return "unknown"


def unanswered(side: Side) -> list[MetricRow]:
    """The turns that wanted an answer, and got none."""
    return [row for row, missed in side.figures("no_answer") if missed]


def _without(side: Side, metric: str) -> list[str]:
    """The calls that have no figure at all where others have: whole of what the limit is on.

    One with a figure that the callers' own lateness invalidates is none of them.
    """
    known = {row.trial_id for row in side.rows.get(metric, ()) if row.value is not None}
    return [trial.trial_id for trial in side.trials if trial.trial_id not in known]


def _call_and_turn(row: MetricRow) -> Key:
    """Each call is a conversation of its own, also where many are of one fixture."""
    return row.trial_id, row.turn
