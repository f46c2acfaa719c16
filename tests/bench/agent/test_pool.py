"""The agents of a run: presets that differ in their network only share one."""

from contextlib import ExitStack

from bench.agent.pool import Agents
from bench.runner.networks import over_networks
from pipelines.remote.preset import remote_specs


def test_a_preset_over_several_networks_is_one_agent_and_another_preset_is_another():
    a, b = remote_specs(["ws://127.0.0.1:9/a", "ws://127.0.0.1:9/b"], ["pcm-websocket"], [])
    agents = Agents()
    with ExitStack() as stack:
        stack.callback(agents.stop)
        over = [agents.get(spec) for spec in over_networks([a], "none,lte,wifi-bad")]
        assert over[0] is over[1] is over[2]
        assert agents.get(b) is not over[0]
