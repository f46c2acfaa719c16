"""Networks as numbers: their formulas, their rows, and what a preset may say of one."""

from pathlib import Path

import pytest

from pipelines.errors import SpecError
from pipelines.network.conditions import Direction
from pipelines.network.named import NETWORKS
from pipelines.spec import load_spec, parse_spec

CLICK = load_spec("click").toml


def click_over(table):
    return parse_spec("mine", f"{CLICK}\n{table}")


def test_losses_each_for_itself_enter_the_bad_state_as_often_as_they_leave_the_good_one():
    way = Direction(loss_percent=20)
    assert way.enters_bad == pytest.approx(0.2)
    assert 1 - way.leaves_bad == pytest.approx(0.2)
    assert way.loss_run_packets == pytest.approx(1.25)


def test_bursts_have_the_probabilities_of_gilbert_and_elliott():
    way = Direction(loss_percent=3, burst_packets=4, bad_loss_percent=50)
    assert way.bad_share == pytest.approx(0.06)
    assert way.leaves_bad == 0.25
    assert way.enters_bad == pytest.approx(0.06 * 0.25 / 0.94)
    assert way.loss_run_packets == pytest.approx(1 / (1 - 0.75 * 0.5))


def test_the_page_says_the_numbers_of_each_network():
    page = Path(__file__).parents[3].joinpath("docs", "networks.md").read_text(encoding="utf-8")
    for row in NETWORKS.values():
        down = "as up" if row.down == row.up and row.up != Direction() else row.down.text()
        assert f"| `{row.name}` | {row.up.text()} | {down} |" in page


def test_a_named_network_has_numbers_and_a_source():
    assert NETWORKS["lte"].up == Direction(delay_ms=45, jitter_ms=15, loss_percent=0.2)
    assert NETWORKS["ideal"].up.text() == NETWORKS["ideal"].down.text() == "nothing"
    assert all(row.source and row.what for row in NETWORKS.values())
    wifi = NETWORKS["wifi-bad"].up.text()
    assert wifi == "2 ± 1.7 ms, 0.06 % lost, stalls of 250 ms every 66.7 s"


def test_a_preset_names_a_network_or_says_both_ways_in_numbers():
    assert click_over('[network]\nname = "lte"\nseed = 7').network.label == "lte; seed 7"
    own = click_over("[network.up]\ndelay_ms = 20\n[network.down]\ndelay_ms = 30").network
    assert own.label == "own: up 20 ms; down 30 ms"
    assert own.round_trip_ms == 50
    assert load_spec("click").network is None


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('[network]\nname = "lt"', r"no network 'lt' \(did you mean 'lte'\?\); known: ideal, lte"),
        ("[network]", r"give a name \('duplex-lab networks' lists them\)"),
        ('[network]\nname = "lte"\n[network.up]\ndelay_ms = 1', "says both ways"),
        ("[network.up]\ndelay = 1", r"\[network.up\]: unknown key 'delay'"),
        ("[network.up]\nloss_percent = 95", "must be from 0 to 90 %"),
        ("[network.up]\nstall_ms = 100", "stall_every_s and stall_ms belong together"),
        ("[network.up]\nloss_percent = 80\nburst_packets = 1", "too short for so large a loss"),
        (
            "[network.up]\nloss_percent = 9\nburst_packets = 2\nbad_loss_percent = 5",
            "loss_percent must be less than bad_loss_percent",
        ),
    ],
)
def test_a_wrong_network_is_one_sentence(table, sentence):
    with pytest.raises(SpecError, match=sentence):
        click_over(table)
