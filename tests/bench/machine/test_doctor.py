"""The doctor: hardware from texts and a library whose answers are known, and scaled costs."""

# ruff: noqa: N802 (NVML's own names)

import ctypes
import importlib.util
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.machine.core_speed import Speed, measure
from bench.machine.costs import BUDGETS, Cost, Costs, Own, estimate, load
from bench.machine.doctor import EXTRAS, advice, examine
from bench.machine.hardware import Gpu, audio_devices, cpu_features, gpus, level
from bench.machine.matrix import row_of

ROOT = Path(__file__).parents[3]


class Nvml:
    """NVML as ctypes gives it, with GPUs of known memory."""

    def __init__(self, sizes_gb, init=0, broken=()):
        self.sizes_gb, self.init, self.broken = sizes_gb, init, broken
        self.closed = False

    def nvmlInit_v2(self):
        return self.init

    def nvmlShutdown(self):
        self.closed = True

    def nvmlDeviceGetCount_v2(self, count):
        count._obj.value = len(self.sizes_gb)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):
        handle._obj.value = index + 1
        return 15 if index in self.broken else 0

    def nvmlDeviceGetName(self, handle, name, size):
        name.value = f"GPU {handle.value - 1}".encode()
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle, memory):
        memory._obj.total = int(self.sizes_gb[handle.value - 1] * 2**30)
        return 0


@pytest.fixture
def on_linux(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_gpus_are_read_by_nvml_and_a_broken_one_is_left_out(on_linux):
    library = Nvml([24.0, 80.0, 8.0], broken={2})
    found = gpus(64.0, library)
    assert found.items == (Gpu("GPU 0", 24.0), Gpu("GPU 1", 80.0))
    assert library.closed


def test_a_driver_that_does_not_answer_is_said(on_linux):
    assert "nvmlInit failed" in gpus(64.0, Nvml([], init=9)).reason
    assert gpus(64.0, Nvml([])).reason == "the NVIDIA driver sees no GPU"


def test_without_a_driver_there_is_no_gpu_and_a_reason(on_linux, monkeypatch):
    def gone(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", gone)
    assert gpus(64.0).items == ()
    assert "no NVIDIA driver" in gpus(64.0).reason


def test_apple_silicons_gpu_shares_the_machines_memory(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert gpus(36.0).items == (Gpu("Apple Silicon", 36.0, unified=True),)


LEVELS = [
    ([], 0), ([6.0], 0), ([8.0], 1), ([15.7], 2), ([16.0], 2), ([23.7], 3), ([32.0], 4),
    ([47.5], 5), ([48.0], 5), ([80.0], 6), ([139.8], 6), ([24.0, 24.0], 6), ([11.9], 1),
]  # fmt: skip


@pytest.mark.parametrize(("sizes_gb", "wanted"), LEVELS)
def test_the_level_follows_the_largest_gpu(sizes_gb, wanted):
    assert level([Gpu("x", gb) for gb in sizes_gb])[0] == wanted


def test_cpu_features_are_read_as_linux_lists_them():
    x86 = "processor : 0\nmodel name : X\nflags : fpu avx2 fma avx512f amx_int8\n"
    assert cpu_features(x86).items == ("avx2", "fma", "avx512f", "amx_int8")
    assert cpu_features("Features : fp asimd\n").items == ("asimd",)
    assert cpu_features("processor : 0\n").reason == "/proc/cpuinfo names no flags"


def test_sound_cards_are_read_as_alsa_lists_them():
    text = (
        "00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1\n"
        "00-03: HDMI 0 : HDMI 0 : playback 1\n"
    )
    assert audio_devices(text).items == (
        "ALC257 Analog (playback, capture)",
        "HDMI 0 (playback)",
    )
    assert audio_devices("").reason == "no sound card; no run needs one"


THERE = Speed(compute=60.0, memory=12.0)
COSTS = Costs(
    {
        "duplex-tiny": Cost("duplex-tiny", "duplex", 60.0, "p99", 0.0, 300, "s"),
        "cascade-stock": Cost("cascade-stock", "cascade", 800.0, "p50", 400.0, 25, "s"),
    },
    {"s": "measured there"},
    {"s": THERE},
)


def test_a_cost_is_scaled_by_the_worse_of_two_figures_and_waiting_is_not():
    same = estimate("duplex-tiny", COSTS, THERE)
    assert (same.verdict, same.ms, same.budget_ms) == ("meets", 60.0, 80.0)
    slow = estimate("duplex-tiny", COSTS, Speed(compute=60.0, memory=6.0))
    assert (slow.verdict, slow.ms) == ("misses", 120.0)
    cascade = estimate("cascade-stock", COSTS, Speed(compute=48.0, memory=24.0))
    assert (cascade.verdict, cascade.ms) == ("meets", 400.0 + 400.0 * 1.25)
    assert "n 25" in cascade.why
    assert cascade.source == "measured there"


def test_what_was_never_measured_is_null_and_says_so():
    found = estimate("duplex-moshiko-q4", COSTS, THERE)
    assert (found.verdict, found.ms) == ("not measured", None)


def test_the_shipped_costs_are_those_of_the_committed_tables():
    path = ROOT / "scripts" / "costs.py"
    spec = importlib.util.spec_from_file_location("costs_script", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    costs = load()
    texts = [
        (ROOT / name).read_text(encoding="utf-8") for name in ("docs/bench.md", "results/README.md")
    ]
    speeds = {source: asdict(speed) for source, speed in costs.speeds.items()}
    shipped = (ROOT / "bench" / "machine" / "costs.toml").read_text(encoding="utf-8")
    assert script.made(*texts, speeds) == shipped, "run python scripts/costs.py"
    assert all(cost.of in BUDGETS and cost.n > 0 for cost in costs.costs.values())
    assert all("commit" in line for line in costs.sources.values())


def test_the_probe_counts_cpu_time_and_takes_the_best_round():
    ticks = iter([0, 1, 3, 10, 11, 13, 20, 22, 24, 30, 31, 33])  # sines 1 1 2 1, reads 2 2 2 2
    found = measure(rounds=3, clock=lambda: float(next(ticks)))
    assert found == Speed(compute=0.2, memory=0.032)


def test_the_examination_names_what_to_install_and_what_may_run():
    rows = [row_of(n) for n in ("duplex-tiny", "cascade-scripted", "duplex-server")]
    found = examine(rows, COSTS, THERE)
    assert "cascade-scripted" not in found.estimates  # it costs nothing that is worth scaling
    assert found.estimates["duplex-tiny"].verdict == "meets"
    told = "\n".join(advice(found))
    assert "no server answers at ws://localhost:8998" in told
    for name, installed in found.extras.items():
        assert installed or f"pip install 'duplex-lab[{name}]'" in told
    assert set(found.extras) == set(EXTRAS)
    assert json.loads(json.dumps(found.to_dict()))["level"]["number"] in range(7)


def test_the_command_prints_all_of_it_as_json():
    command = [sys.executable, "-m", "bench.cli.main", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["speed"]["compute"] > 0
    assert found["presets"]["cascade-embedded"]["estimate"]["verdict"] in ("meets", "misses")
    assert found["presets"]["cascade-scripted"]["estimate"] is None


def test_the_newest_run_of_this_very_machine_is_shown_and_of_no_other(tmp_path):
    from bench.cli.inventory.doctor import _own_runs
    from bench.machine.description import describe
    from bench.metrics.recompute import analyse
    from bench.simulated.turns import write_example_run
    from bench.store.store import read_info, write_info

    here = describe()
    for name, day, machine in (
        ("old", "2026-01-01", here),
        ("new", "2026-01-02", here),
        ("elsewhere", "2026-01-03", {**here, "cpu": "another"}),
        ("unknown", "2026-01-04", None),
    ):
        write_example_run(tmp_path / name, trials=4)
        info = {**read_info(tmp_path / name), "created_utc": day, "machine": machine}
        write_info(tmp_path / name, info)
        analyse(tmp_path / name)
    found = _own_runs(tmp_path, here)
    assert found
    assert {own.run for own in found} == {"new"}
    assert all(own.p50_ms > 0 for own in found)
    assert len({own.preset for own in found}) == len(found)
    assert _own_runs(tmp_path / "nothing", here) == []


def test_what_this_machine_measured_stands_in_place_of_its_estimate():
    rows = [row_of(n) for n in ("duplex-tiny", "cascade-stock", "cascade-scripted")]
    own = [
        Own("duplex-tiny", "r1", p50_ms=500.0, frame_ms=81.0, frame_quantile="p99"),
        Own("mine", "r2", p50_ms=901.0),
        Own("silent", "r3"),
    ]
    found = examine(rows, COSTS, THERE, own).estimates
    tiny, mine = found["duplex-tiny"], found["mine"]
    assert (tiny.verdict, tiny.ms, tiny.why, tiny.source) == (
        "misses", 81.0, "p99 of a frame in r1", ""
    )  # fmt: skip
    assert (mine.verdict, mine.ms, mine.why) == ("misses", 901.0, "p50 in r2")
    assert (found["cascade-stock"].is_own, found["cascade-stock"].ms) == (False, 800.0)
    assert set(found) == {"duplex-tiny", "cascade-stock", "mine"}


def test_a_gpus_memory_is_called_its_own_where_it_is():
    from bench.cli.inventory.doctor import _gpu

    assert _gpu(Gpu("H200", 139.8)) == "H200, 139.8 GB of GPU memory"
    shared = _gpu(Gpu("Apple Silicon", 16.0, unified=True))
    assert shared == "Apple Silicon, shares the machine's 16.0 GB of memory"
