"""The named networks: rows of data, each with what its numbers were taken from.

Rates of the line are left out: speech needs less than any of these networks carries.
"""

from __future__ import annotations

from pipelines.network.conditions import Direction, Network

LOADERO = (
    "Loadero's table of network conditions for WebRTC tests (wiki.loadero.com, "
    "test-creation/participant-configuration/network-conditions, read 2026-12-01): "
)
HUITEMA = (
    "measured by C. Huitema, 'The weird case of the wifi latency spikes' (privateoctopus.com, "
    "2023-05-18): a packet every 20 ms, echoed; of 30,000 in 10 minutes median 4.04 ms there and "
    "back, 95 % under 8 ms, 38 lost, 18 spikes over 100 ms, the one that is shown 250 ms long; "
)
NETEQ = (
    "defaults of WebRTC's test of speech over lossy lines (modules/audio_coding/neteq/tools/"
    "neteq_quality_test.cc): packet_loss_rate 10 %, Gilbert-Elliott, burst_length 30 ms = 1.5 "
    "packets of 20 ms; no delay"
)


def _both(name: str, what: str, way: Direction, source: str) -> Network:
    return Network(name, way, way, source, what)


_WIFI_BAD = Direction(
    delay_ms=2, jitter_ms=1.7, loss_percent=0.06, stall_every_s=66.7, stall_ms=250
)
_ROWS = (
    _both("ideal", "a network that does nothing", Direction(), "a control: no delay, no loss"),
    Network(
        "lte",
        up=Direction(delay_ms=45, jitter_ms=15, loss_percent=0.2),
        down=Direction(delay_ms=45, jitter_ms=5, loss_percent=0.2),
        source=f"{LOADERO}4G, 45 ms, jitter 5 ms in and 15 ms out, 0.2 % lost",
        what="a telephone by LTE",
    ),
    _both(
        "hspa",
        "a telephone by HSPA (3.5G)",
        Direction(delay_ms=150, jitter_ms=10, loss_percent=0.5),
        f"{LOADERO}3.5G/HSDPA, 150 ms, jitter 10 ms, 0.5 % lost",
    ),
    _both(
        "3g",
        "a telephone by 3G",
        Direction(delay_ms=250, jitter_ms=50, loss_percent=0.5),
        f"{LOADERO}3G, 250 ms, jitter 50 ms, 0.5 % lost",
    ),
    _both(
        "edge",
        "a telephone by EDGE (2G)",
        Direction(delay_ms=650, jitter_ms=100, loss_percent=1),
        f"{LOADERO}Edge, 650 ms, jitter 100 ms, 1 % lost",
    ),
    _both(
        "satellite",
        "a telephone by a satellite in a high orbit",
        Direction(delay_ms=600),
        f"{LOADERO}satellite phone, 600 ms",
    ),
    _both(
        "wifi-bad",
        "Wi-Fi whose radio leaves its channel now and then",
        _WIFI_BAD,
        f"{HUITEMA}halved between the two ways: 2 ms, jitter "
        "(8 - 4) / 1.645 / sqrt(2) = 1.7 ms, 0.06 %, a stall every 66.7 s each way",
    ),
    _both(
        "loss-bursts",
        "one packet of ten is lost, in bursts",
        Direction(loss_percent=10, burst_packets=1.5),
        NETEQ,
    ),
)

NETWORKS: dict[str, Network] = {row.name: row for row in _ROWS}
"""Name → the network."""
