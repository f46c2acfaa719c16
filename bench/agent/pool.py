"""The agents of a run: one warm process for each preset, replaced when it dies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bench.agent.process import AgentProcess
from bench.agent.remote import RemoteAgent
from pipelines.errors import LabError
from pipelines.spec import PipelineSpec

PREPARE_TIMEOUT_S = 240.0
"""Limit for loading and warming all models of a preset, and an unpaced burst, s: a duplex model may
load for 170 s, and a burst takes 15 s and the end of its last frame."""


Agent = AgentProcess | RemoteAgent
"""One agent under test, here or elsewhere."""


def _agent(spec: PipelineSpec, folder: Path | None) -> Agent:
    if spec.architecture != "remote":
        return AgentProcess(spec)
    return RemoteAgent(spec, None if folder is None else folder / f"{spec.name}.agent.log")


class Agents:
    """One warm agent process for each preset; a dead one is replaced, and warmed like the first.

    Args:
        folder: Folder of the run, where the output of agents that are started by a command is kept;
            None: it is not kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._agents: dict[str, Agent] = {}
        self._unprepared: set[str] = set()
        """Presets whose process runs, and has loaded no model yet."""
        self._known: list[PipelineSpec] = []
        """One preset of each agent: over other networks it is the same agent."""

    def get(self, spec: PipelineSpec) -> Agent:
        """The preset's agent, its models loaded and warm; a new one if the last has died.

        Raises:
            LabError: one of them can't be loaded; a second call tries again.
        """
        spec = self._first_of(spec)
        agent = self._agents.get(spec.name)
        if agent is not None and not agent.alive:
            agent.stop()
            agent = None
        if agent is not None and spec.name not in self._unprepared:
            return agent
        self._unprepared.discard(spec.name)
        agent = self._agents[spec.name] = agent or _agent(spec, self._folder)
        try:
            agent.ask("prepare")
            report = agent.wait(PREPARE_TIMEOUT_S)
            if report.error:
                raise LabError(report.error)
        except LabError:
            del self._agents[spec.name]
            agent.stop()
            raise
        agent.cold_start = report.marks
        return agent

    def start(self, specs: Iterable[PipelineSpec]) -> None:
        """Starts the presets' processes together, and waits until none of them is at work.

        They import the same libraries, each for some seconds; no model is loaded yet, so that
        loading one is measured beside idle processes.
        """
        started = []
        for spec in map(self._first_of, specs):
            if spec.name not in self._agents and spec.architecture != "remote":
                agent = self._agents[spec.name] = AgentProcess(spec)
                self._unprepared.add(spec.name)
                started.append(agent)
                with contextlib.suppress(LabError):  # one that died is replaced, and says how
                    agent.ask("start")
        for agent in started:
            agent.wait(PREPARE_TIMEOUT_S)

    def _first_of(self, spec: PipelineSpec) -> PipelineSpec:
        """The preset whose agent is to be used: the first that differs in its network only."""
        for known in self._known:
            if replace(spec, name=known.name, network=known.network, toml=known.toml) == known:
                return known
        self._known.append(spec)
        return spec

    def stop(self) -> None:
        """Ends them all."""
        for agent in self._agents.values():
            agent.ask_to_stop()
        for agent in self._agents.values():
            agent.stop()

    def prepare(self, spec: PipelineSpec) -> None:
        """Loads and warms the preset's models.

        Raises:
            LabError: one of them can't be loaded.
        """
        try:
            self.get(spec)
        except LabError as error:
            raise LabError(f"Preset {spec.name}: {error}") from None
