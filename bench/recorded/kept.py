"""Conversations of the voice server as an ordinary run: trial by trial, with marks and recording.

The user's turns are proposed from the recording, as those of calls that were recorded elsewhere;
the pipeline's own marks stand beside them.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from bench.machine import description as machine
from bench.metrics.recompute import analyse
from bench.recorded.files import Call
from bench.recorded.score import found_turns, labels_of_call, marks_of
from bench.store import store
from bench.store.atomic import StoreError
from bench.store.lock import RunLock
from bench.store.records import Trial
from bench.store.results import note_latest
from bench.store.schema import SCHEMA_VERSION
from pipelines.guards.texts import fit_name
from pipelines.marks import EventName, Mark, stamp
from pipelines.server.session.events import (
    AssistantPartial,
    Audit,
    Failure,
    Fallback,
    Step,
    UserPartial,
)
from pipelines.server.session.log import Conversation


class RunLog:
    """Keeps conversations as trials of one run; fills `pipelines.server.session.log.SessionLog`.

    A conversation is whole on disk when `keep` returns. The figures are computed when the log is
    closed; of a server that was killed, by ``duplex-lab metrics RUN``.

    Args:
        run_dir: Folder of the run; must hold none.
    """

    keeps = True

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._lock = RunLock(run_dir)
        self._labels: dict[str, Any] = {}
        self._presets: dict[str, Any] = {}
        self._machine: dict[str, Any] = {}
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        if store.read_info(self.run_dir):
            raise StoreError(f"{self.run_dir}: already holds a run; name another folder")
        self._lock.__enter__()
        self._machine = machine.describe()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._labels:
                note_latest(self.run_dir)
                analyse(self.run_dir)
        finally:
            self._lock.__exit__(kind, error, trace)

    def keep(self, conversation: Conversation) -> None:
        """Writes one conversation; on any thread.

        Raises:
            StoreError: it can't be written; those before are as they were.
        """
        with self._one_at_a_time:
            self._keep(conversation)

    def _keep(self, conversation: Conversation) -> None:
        name = fit_name(conversation.name)
        call = Call(name, conversation.stereo, conversation.rate_hz)
        turns = found_turns(call) if len(call.stereo) else []
        trial_id = f"{conversation.spec.name}.{name}.0"
        path = store.save_recording(self.run_dir, trial_id, call.stereo, call.rate_hz)
        if conversation.second is not None:  # beside it: left the user again, right the second
            both = np.column_stack((conversation.stereo[:, 0], conversation.second))
            store.save_recording(self.run_dir, f"{trial_id}.second", both, call.rate_hz)
        t0_ns = conversation.t0_ns
        trial = Trial(
            run_id=self.run_dir.name,
            trial_id=trial_id,
            preset=conversation.spec.name,
            fixture=name,
            repeat=0,
            t0_ns=t0_ns,
            rate_hz=call.rate_hz,
            turns=len(turns),
            status="error" if conversation.failed else "ok",
            error=conversation.reason or None,
            recording=path,
            weights=conversation.spec.weights,
            kind="recorded",
            audio_s=len(call.stereo) / call.rate_hz,
            wall_s=len(call.stereo) / call.rate_hz,
            started_utc=conversation.started_utc,
        )
        user = [replace(m, t_ns=m.t_ns + t0_ns) for m in marks_of(turns, call.rate_hz)]
        marks = sorted([*conversation.marks, *user, *_texts(conversation)], key=lambda m: m.t_ns)
        store.write_trial(self.run_dir, trial, marks)
        self._labels[name] = labels_of_call(name, call, turns).to_dict()
        self._presets[conversation.spec.name] = {
            "title": conversation.spec.title,
            "architecture": conversation.spec.architecture,
            "toml": conversation.spec.toml,
        }
        store.write_info(self.run_dir, self._info())

    def _info(self) -> dict[str, Any]:
        return {
            "run_id": self.run_dir.name,
            "schema_version": SCHEMA_VERSION,
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": self._machine,
            "presets": self._presets,
            "fixtures": self._labels,
            "recorded": True,
        }


def _texts(conversation: Conversation) -> list[Mark]:
    """The words of both sides, skills, exchanges and errors, as marks."""
    found = []
    for event in conversation.events:
        if isinstance(event, UserPartial) and event.final:
            found.append(stamp("line", "user_text", t_ns=event.t_ns, text=event.text))
        elif isinstance(event, AssistantPartial):
            found.append(stamp("line", "agent_text", t_ns=event.t_ns, text=event.text))
        elif isinstance(event, Audit):
            found.append(_audit(event))
        elif isinstance(event, Fallback):
            text = f"{event.new}: {event.message}"
            found.append(stamp("agent", "fallback", t_ns=event.t_ns, text=text))
        elif isinstance(event, Failure):
            found.append(stamp("line", "reported_error", t_ns=event.t_ns, text=event.message))
    return found


_STEPS: dict[Step, EventName] = {
    "asked": "asked",
    "refused": "refused",
    "done": "end",
    "failed": "failed",
    "late": "late",
    "came": "came",
    "cancelled": "cancelled",
}
"""Step of a skill's call → its mark."""


def _audit(event: Audit) -> Mark:
    """The mark of a step of a skill's call."""
    text = f"{event.name}: {event.note}" if event.note else event.name
    return stamp(
        "skill",
        _STEPS[event.step],
        t_ns=event.t_ns,
        request_id=event.call_id,
        value=event.ms,
        text=text,
    )
