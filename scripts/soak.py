"""Does a server that talks for an hour grow, slow down or drop anything? Four callers, one server.

    python scripts/soak.py --figures soak.jsonl             # 60 minutes, cascade-embedded
    python scripts/soak.py --minutes 3 --warm-up 1 --preset duplex-nano --seats 2 --every 0.5

Each caller is a process of its own, which holds one conversation after the other with
``duplex-lab serve`` by ``/v1/stream``. Every 5 minutes a line says how many conversations ended,
how many by a fault, what their answers took, how many holes there were in what was heard, and what
memory the server's processes hold: their own, without the pages of files (on Linux; elsewhere USS).
PSS counts a share of a library's pages too, and that grows when others end that use the library.
At the end: growth of memory from the first tenth after the warm-up to the last, the trend of the
latency, and a verdict.
``--figures`` keeps every look and every conversation, a JSON object a line, as they come.

The exit status is 1 if memory grew by more than 2 %, latency rises by more than 2 % an hour (with
an interval that leaves zero out), or a conversation was a fault; 2 if there is too little to say.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from bench.agent.remote import RemoteAgent  # noqa: E402  (found by the path above)
from bench.caller.process import CallerProcess  # noqa: E402
from bench.fixtures.labels import labels_of  # noqa: E402
from bench.fixtures.library import Fixture, select  # noqa: E402
from bench.metrics.compute import compute_trial  # noqa: E402
from bench.runner.trial import caller_plan, play  # noqa: E402
from bench.stats.trend import theil_sen  # noqa: E402
from bench.store.records import ENDED_WELL, Trial  # noqa: E402
from bench.timeline.lateness import broken_bound  # noqa: E402
from bench.timeline.timeline import reconstruct  # noqa: E402
from pipelines.errors import LabError  # noqa: E402
from pipelines.spec import PipelineSpec, parse_spec  # noqa: E402

MOST_GROWTH = 0.02
"""Share of its memory by which a server may grow."""
MOST_DRIFT = 0.02
"""Share of its median by which the latency may rise in an hour."""
LOOK_S = 5.0
"""Interval between two looks at the server's memory, s."""
FULL = "(close code 1013)"
"""End of the sentence by which a server says that it is full: a client may try again."""
AGAIN_S = 2.0
"""Wait of a client that was refused so, s."""
REST_S = 10.0
"""Time for a server to come to rest after its last conversation, s."""
FIXTURES = "dialogue"


@dataclass(frozen=True, slots=True)
class Ended:
    """One conversation."""

    t_s: float
    """When it ended, since the start."""
    fault: str
    """Why it is none that ended well; empty: it is."""
    latencies_ms: tuple[float, ...]
    unanswered: int
    holes: int
    """Silences inside the agent's speech, since no audio had come."""
    holes_ms: float
    late: bool
    """Whether the caller was late, so that times don't count."""
    refused: bool = False
    """Whether the server was full: it never began, and is no fault."""


@dataclass(frozen=True, slots=True)
class Look:
    """Memory of the server's processes at one time."""

    t_s: float
    """Since the start."""
    server_mb: float
    """Of the process that serves."""
    models_mb: float
    """Of its models' processes."""

    @property
    def mb(self) -> float:
        """Of all."""
        return self.server_mb + self.models_mb


@dataclass(slots=True)
class Soak:
    """What happened so far."""

    ended: list[Ended] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    rest: tuple[Look, Look] | None = None
    """Before the first conversation, and after the last."""


def spec_of(preset: str, port: int, start: str) -> PipelineSpec:
    """The server, as a caller reaches it; ``start``: it is started by this command."""
    text = (
        f'title = "soak"\narchitecture = "remote"\nkind = "remote"\nweights = "trained"\n[agent]\n'
        f'url = "ws://127.0.0.1:{port}/v1/stream?preset={preset}"\nline = "stream"\n'
        f"greeting_s = 0\nstart = {json.dumps(start)}\nstart_timeout_s = 240\n"
    )
    return parse_spec("soak", text)


def look(pid: int, t_s: float) -> Look:
    """Memory of a process and its descendants; what they share with others counts nowhere."""
    sizes = [0, 0]
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                sizes[process != root] += _own_bytes(process)
    return Look(t_s, sizes[0] / 2**20, sizes[1] / 2**20)


def _own_bytes(process: psutil.Process) -> int:
    """Memory of a process that belongs to no file."""
    held = process.memory_info()
    if hasattr(held, "shared"):  # Linux
        return int(held.rss - held.shared)
    return int(process.memory_full_info().uss)


def converse(
    number: int,
    spec: PipelineSpec,
    fixtures: Sequence[Fixture],
    began_s: float,
    end_s: float,
    out: queue.Queue[Ended | Exception],
) -> None:
    """One caller: conversations, one after the other, until the time is over."""
    try:
        with CallerProcess() as caller:
            agent, k = RemoteAgent(spec), number
            while time.monotonic() < end_s:
                fixture = fixtures[k % len(fixtures)]
                plan = caller_plan(f"soak{number}.{k}", spec, fixture)
                row = Trial(
                    "soak", plan.trial_id, spec.name, fixture.name, k, 0, 0, len(fixture.turns),
                    kind="remote", weights="trained",
                )  # fmt: skip
                outcome = play(row, spec, plan, caller, agent)
                trial, marks, pcm = outcome.trial, outcome.marks, outcome.recording
                rows = compute_trial(trial, marks, pcm, labels_of(fixture))
                values = {
                    name: [r.value for r in rows if r.metric == name and r.value is not None]
                    for name in ("voice_to_voice", "underruns", "underrun_ms")
                }
                asked = [r for r in rows if r.metric == "voice_to_voice"]
                late = pcm is not None and broken_bound(reconstruct(trial, marks, pcm)) is not None
                refused = (trial.error or "").endswith(FULL)
                well = refused or trial.status in ENDED_WELL
                out.put(
                    Ended(
                        time.monotonic() - began_s,
                        ""
                        if well
                        else f"{fixture.name}: {trial.status} {trial.error or ''}".strip(),
                        tuple(values["voice_to_voice"]),
                        len(asked) - len(values["voice_to_voice"]),
                        round(sum(values["underruns"]) * trial.audio_s / 60),
                        sum(values["underrun_ms"]),
                        late,
                        refused,
                    )
                )
                if refused:
                    time.sleep(AGAIN_S)
                else:
                    k += 1
            agent.stop()
    except Exception as error:  # told by the main thread, which ends the others
        out.put(error)


def line(soak: Soak, from_s: float, to_s: float) -> str:
    """What happened between two times."""
    came = [one for one in soak.ended if from_s <= one.t_s < to_s]
    own = [one for one in came if not one.refused]
    times = [ms for one in own if not one.late for ms in one.latencies_ms]
    memory = [one.mb for one in soak.looks if from_s <= one.t_s < to_s]
    return (
        f"{from_s / 60:5.1f}–{to_s / 60:.1f} min: {len(own)} conversations, "
        f"{sum(bool(one.fault) for one in own)} faults, {len(came) - len(own)} refused, "
        f"{sum(one.unanswered for one in own)} turns without an answer, "
        f"{sum(one.late for one in own)} with a late caller; "
        + (f"answers p50 {median(times):.0f} ms, " if times else "")
        + f"holes {sum(one.holes for one in own)} ({sum(one.holes_ms for one in own):.0f} ms), "
        + (f"memory {median(memory):.1f} MB" if memory else "memory not looked at")
    )


def growth(looks: Sequence[Look], warm_s: float) -> tuple[Look, Look] | None:
    """Memory after the warm-up and at the end: medians of the first and the last tenth.

    Args:
        looks: By time.
        warm_s: End of the warm-up.

    Returns:
        None with fewer than ten looks after the warm-up.
    """
    settled = [one for one in looks if one.t_s >= warm_s]
    tenth = len(settled) // 10
    if not tenth:
        return None
    return _middle(settled[:tenth]), _middle(settled[-tenth:])


def _middle(looks: Sequence[Look]) -> Look:
    """The median of each column."""
    columns = zip(*((one.t_s, one.server_mb, one.models_mb) for one in looks), strict=True)
    return Look(*(median(column) for column in columns))


def told(soak: Soak, warm_s: float) -> tuple[list[str], int]:
    """The end's sentences, and the exit status."""
    parts = [_memory(soak, warm_s), _drift(soak, warm_s), _faults(soak)]
    said = [sentence for sentences, _ in parts for sentence in sentences]
    names = ("memory", "drift", "faults")
    broken, open_ = (
        ", ".join(name for name, (_, kept) in zip(names, parts, strict=True) if kept is verdict)
        for verdict in (False, None)
    )
    if broken:
        return [*said, f"verdict: NOT kept: {broken}"], 1
    if open_:
        return [*said, f"verdict: too little to say: {open_}"], 2
    return [*said, "verdict: kept: " + ", ".join(names)], 0


def _memory(soak: Soak, warm_s: float) -> tuple[list[str], bool | None]:
    """How memory grew, and whether that is kept; None: it can't be said."""
    said = []
    if soak.rest is not None:
        before, after = soak.rest
        said = [
            f"at rest: {before.mb:.1f} MB before the first conversation, {after.mb:.1f} MB after "
            f"the last (server {before.server_mb:.1f} and {after.server_mb:.1f})"
        ]
    sizes = growth(soak.looks, warm_s)
    if sizes is None:
        return [*said, "memory: too few looks after the warm-up to say how it grew"], None
    first, last = sizes
    share = last.mb / first.mb - 1
    warm = [one for one in soak.looks if one.t_s < warm_s]
    in_warm_up = f"{warm[0].mb:.1f} MB at first, " if warm else ""
    return [
        *said,
        f"memory: {in_warm_up}{first.mb:.1f} MB after the warm-up, {last.mb:.1f} MB at the end: "
        f"{100 * share:+.2f} % (at most {100 * MOST_GROWTH:.0f} %); server "
        f"{last.server_mb - first.server_mb:+.1f} MB, models "
        f"{last.models_mb - first.models_mb:+.1f} MB",
    ], share <= MOST_GROWTH


def _drift(soak: Soak, warm_s: float) -> tuple[list[str], bool | None]:
    """The trend of the latency, and whether it is none; None: it can't be said."""
    settled = [one for one in soak.ended if one.t_s >= warm_s and not one.late]
    pairs = sorted((one.t_s, ms) for one in settled for ms in one.latencies_ms)
    at_s, ms = (np.array([pair[i] for pair in pairs], np.float64) for i in (0, 1))
    slope = theil_sen(at_s, ms)
    if slope is None:
        return [f"drift: {len(pairs)} answers are too few for a trend of the latency"], None
    low, value, high = (3600 * x for x in (slope.low, slope.value, slope.high))
    most = MOST_DRIFT * float(np.median(ms))
    kept = low <= 0 or value <= most
    return [
        f"drift: latency {value:+.1f} ms an hour ({low:+.1f} … {high:+.1f}), {len(pairs)} answers: "
        + ("none" if low <= 0 <= high else "DRIFT" if not kept else "too small to count")
        + f" (at most {most:.1f})"
    ], kept


def _faults(soak: Soak) -> tuple[list[str], bool | None]:
    """What ended badly, and whether nothing did; None: nothing was played."""
    faults = [one.fault for one in soak.ended if one.fault]
    holes = sum(one.holes for one in soak.ended)
    refused = sum(one.refused for one in soak.ended)
    played = len(soak.ended) - refused
    said = [
        f"{played} conversations, {len(faults)} faults, {refused} refused since "
        f"all seats were taken, {holes} holes of "
        f"{sum(one.holes_ms for one in soak.ended):.0f} ms in all"
    ]
    return said + [f"fault: {one}" for one in faults[:10]], not faults if played else None


class Kept:
    """Figures on disk, a JSON object a line, each as it comes.

    Args:
        path: The file; None: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.write_text("", encoding="utf-8")

    def put(self, what: str, **values: object) -> None:
        """Writes one line."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"what": what, **values}) + "\n")


def run(args: argparse.Namespace, kept: Kept) -> Soak:
    """Plays, and prints a line every few minutes.

    Raises:
        LabError: the server can't be started, or a caller died.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    start = f"{sys.executable} -m bench.cli.main serve {args.preset} --port {port}"
    start += f" --seats {args.seats + 1}"  # one that comes to rest while its caller calls again
    soak, out = Soak(), queue.Queue[Ended | Exception]()
    fixtures = select(args.fixtures)
    server = RemoteAgent(spec_of(args.preset, port, start), args.log)
    try:
        server.ask("prepare")
        server.wait(240.0)
        time.sleep(REST_S)
        before = look(server.pid, 0.0)
        began_s = time.monotonic()
        end_s = began_s + 60 * args.minutes
        spec = spec_of(args.preset, port, "")
        callers = [
            threading.Thread(
                target=converse, args=(n, spec, fixtures, began_s, end_s, out), daemon=True
            )
            for n in range(args.seats)
        ]
        for caller in callers:
            caller.start()
        shown_s = 0.0
        while any(caller.is_alive() for caller in callers):
            if not server.alive:
                raise LabError(server.death())
            now_s = time.monotonic() - began_s
            if now_s < 60 * args.minutes:
                soak.looks.append(look(server.pid, now_s))
                kept.put("look", **asdict(soak.looks[-1]))
            _take(soak, out, kept)
            if now_s - shown_s >= 60 * args.every:
                print(line(soak, shown_s, now_s), flush=True)
                shown_s = now_s
            time.sleep(LOOK_S)
        _take(soak, out, kept)
        print(line(soak, shown_s, time.monotonic() - began_s + 1), flush=True)
        time.sleep(REST_S)
        soak.rest = before, look(server.pid, time.monotonic() - began_s)
        kept.put("rest", before=asdict(before), after=asdict(soak.rest[1]))
    finally:
        server.stop()
    return soak


def _take(soak: Soak, out: queue.Queue[Ended | Exception], kept: Kept) -> None:
    while not out.empty():
        one = out.get()
        if isinstance(one, Exception):
            raise LabError(f"a caller died: {one}") from one
        soak.ended.append(one)
        kept.put("conversation", **asdict(one))


def main() -> None:
    """Runs the soak; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=5.0, help="minutes that don't count")
    parser.add_argument("--every", type=float, default=5.0, help="minutes between two lines")
    parser.add_argument("--preset", default="cascade-embedded")
    parser.add_argument("--seats", type=int, default=4, help="conversations at a time")
    parser.add_argument("--fixtures", default=FIXTURES)
    parser.add_argument("--log", type=Path, default=None, help="file for what the server says")
    parser.add_argument("--figures", type=Path, default=None, help="file for all figures")
    args = parser.parse_args()
    try:
        kept = Kept(args.figures)
        kept.put("soak", minutes=args.minutes, preset=args.preset, seats=args.seats)
        soak = run(args, kept)
    except (LabError, OSError) as error:
        sys.exit(f"soak: {error}")
    said, status = told(soak, 60 * args.warm_up)
    print("\n".join(said))
    kept.put("verdict", said=said, status=status)
    sys.exit(status)


if __name__ == "__main__":
    main()
