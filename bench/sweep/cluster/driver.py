"""Ray's side of a sweep, in a process of its own beside the command.

Ray ends its driver's process when the head is gone, so the command must not be that process: it
only reads what this one tells. What was played lies on the command's disk before it is told.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from bench.store.removal import remove_whole
from bench.sweep.cluster import node
from bench.sweep.cluster.parcel import Order, unpack
from bench.sweep.cluster.queue import Queue, Waiting, names_of
from pipelines.guards.texts import fit_name

AS_TYPED = {"env_vars": {"RAY_worker_niceness": "0"}}
"""Runtime environment of a task: else it gives way to all other processes of its machine."""
RULER = "ruler"
"""Ray resource of a machine that may measure: one shard at a time has all of it."""
NO_NODES_S = 60.0
"""Longest wait for a machine that may measure, s."""
TICK_S = 1.0
NOT_THERE = (ConnectionError, RuntimeError, ValueError, TimeoutError)
"""What Ray raises where no cluster, or one of another version, answers."""


@dataclass(frozen=True, slots=True)
class Told:
    """driver → command."""

    what: Literal[
        "playing", "played", "lost", "aside", "given_up", "no_cluster", "no_ruler", "over"
    ]
    shard: str = ""
    machine: str = ""
    text: str = ""
    left_s: float = 0.0
    """Estimated time of what is not played yet, on one machine, s."""
    machines: tuple[str, ...] = ()
    """Those that may measure now."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the driver is to do."""

    address: str
    """Of the cluster."""
    orders: tuple[Order, ...]
    contents: Mapping[str, bytes] = field(repr=False)
    """Checksum → content."""
    folder: Path
    """Where shards are put, each in a folder of its name."""


def main(connection: Connection, job: Job) -> None:
    """The process."""
    for signum in (signal.SIGINT, signal.SIGHUP):  # the command decides
        signal.signal(signum, signal.SIG_IGN)
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(job.address, log_to_driver=False, logging_level="ERROR")
    except NOT_THERE as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        connection.send(Told("no_cluster", text=first))
        return
    with contextlib.suppress(EOFError, OSError):  # the command is gone
        _Driver(connection, job).drive()
    ray.shutdown()


class _Driver:
    """Hands shards to machines and takes back runs."""

    def __init__(self, connection: Connection, job: Job) -> None:
        import ray

        self._ray = ray
        self._connection = connection
        self._job = job
        self._orders = {order.shard: order for order in job.orders}
        self._queue = Queue(Waiting(o.shard, o.cell, o.seconds) for o in job.orders)
        self._refs = {name: ray.put(content) for name, content in job.contents.items()}
        self._play = ray.remote(node.play)
        self._running: dict[Any, tuple[str, str]] = {}
        """Task → (shard, id of its node)."""
        self._seen: dict[str, str] = {}
        """Id of a node → its own name."""
        self._gone: set[str] = set()
        """Ids of nodes that died: `ray.nodes` shows them alive for a while."""
        self._machines: dict[str, str] = {}
        """Id of a node that may measure → the machine's name."""

    def drive(self) -> None:
        """Until everything is played, or nobody can play what is left."""
        alone_since_s = time.monotonic()
        while not self._queue.over:
            self._look()
            if self._running or set(self._machines.values()) - self._queue.aside.keys():
                alone_since_s = time.monotonic()
            elif self._queue.aside or time.monotonic() - alone_since_s > NO_NODES_S:
                self._tell("no_ruler")
                return
            self._take()
            while self._connection.poll():  # nothing is ever sent: it raises where nobody reads
                self._connection.recv()
        self._tell("over")

    def _tell(self, what: Any, shard: str = "", machine: str = "", text: str = "") -> None:
        machines = tuple(sorted(self._machines.values()))
        self._connection.send(Told(what, shard, machine, text, self._queue.left_s, machines))

    def _look(self) -> None:
        """Gives every machine that is free a shard."""
        nodes = {n["NodeID"]: n for n in self._ray.nodes()}
        for node_id, n in nodes.items():
            self._seen.setdefault(node_id, fit_name(n["NodeName"] or n["NodeManagerAddress"]))
        names = names_of(self._seen)
        self._machines = {
            node_id: names[node_id]
            for node_id, n in nodes.items()
            if n["Alive"] and node_id not in self._gone and n["Resources"].get(RULER)
        }
        for node_id, machine in self._machines.items():
            shard = self._queue.next_for(machine)
            if shard is not None:
                self._start(shard, node_id, machine, nodes[node_id]["Resources"])

    def _start(
        self, shard: str, node_id: str, machine: str, resources: Mapping[str, float]
    ) -> None:
        """Hands a shard to a machine, which has nothing else of Ray's to do meanwhile."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        order = self._orders[shard]
        task = self._play.options(
            num_cpus=resources.get("CPU", 0),
            num_gpus=resources.get("GPU", 0),
            resources={RULER: resources[RULER]},
            max_retries=0,  # which machine plays it again is for the queue to say
            runtime_env=AS_TYPED,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        )
        ref = task.remote(order, machine, *(self._refs[name] for name in order.needs))
        self._running[ref] = (shard, node_id)
        self._tell("playing", shard, machine)

    def _take(self) -> None:
        """Waits a moment for runs, and puts those that arrive in their folders."""
        if not self._running:
            time.sleep(TICK_S)
            return
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=TICK_S)
        for ref in done:
            shard, node_id = self._running.pop(ref)
            machine = self._queue.playing[shard]
            try:
                packed, why = self._ray.get(ref)
            except self._ray.exceptions.RayTaskError as error:  # a fault of ours, or of its disk
                packed, why = None, f"{machine}: {error.cause!r}"
            except self._ray.exceptions.RayError:
                self._gone.add(node_id)
                self._queue.lost(shard)
                self._tell("lost", shard, machine)
                if shard in self._queue.given_up:
                    self._tell("given_up", shard)
                continue
            if packed is None:
                self._queue.refused(shard, why)
                self._tell("aside", shard, machine, why)
                continue
            self._job.folder.mkdir(parents=True, exist_ok=True)
            unpack(packed, self._job.folder / shard, remove_whole)
            self._queue.played(shard)
            self._tell("played", shard, machine)
