"""Presets over networks: each under a name of its own, so that no two are ever pooled."""

import pytest

from bench.runner.networks import over_networks
from bench.runner.plan import make_plan
from pipelines.errors import LabError
from pipelines.remote.preset import remote_specs
from pipelines.spec import load_spec, parse_spec


def test_each_preset_is_played_over_each_network_under_a_name_of_its_own():
    specs = over_networks([load_spec("click")], "none, lte,wifi-bad")
    assert [spec.name for spec in specs] == ["click", "click-lte", "click-wifi-bad"]
    assert [spec.network and spec.network.name for spec in specs] == [None, "lte", "wifi-bad"]
    again = parse_spec(specs[1].name, specs[1].toml)  # as a run is resumed
    assert again == specs[1]


def test_a_preset_has_one_network_at_most():
    own = parse_spec("mine", load_spec("click").toml + '\n[network]\nname = "3g"\n')
    with pytest.raises(LabError, match="mine has a network of its own, 3g"):
        over_networks([own], "lte")


def test_agents_elsewhere_and_presets_are_played_in_turns_over_each_network():
    agents = remote_specs(["ws://h:1/a", "ws://h:2/b"], ["pipecat", "pcm-websocket"], [])
    plan = make_plan("click", "cmd_stop,cmd_wait", 1, agents=agents, networks="none,lte")
    names = ["click", "click-lte", "pipecat-h-1", "pipecat-h-1-lte", "pcm-websocket-h-2",
             "pcm-websocket-h-2-lte"]  # fmt: skip
    order = [trial.spec.name for trial in plan.trials]
    assert order == [*names, *names[1:], names[0]]  # the second fixture begins with the second


def test_an_unknown_network_names_the_one_that_was_meant():
    with pytest.raises(LabError, match=r"no network 'lt' \(did you mean 'lte'\?\); known: none"):
        over_networks([load_spec("click")], "lt")
