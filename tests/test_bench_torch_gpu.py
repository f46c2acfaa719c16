"""The GPU script: its bound, and what it says where there is no GPU."""

import importlib.util
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "bench_torch_gpu.py"


def _module():
    spec = importlib.util.spec_from_file_location("bench_torch_gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bound_of_p99_needs_299_frames():
    bound = _module().p99_bound
    assert bound([float(i) for i in range(298)]) is None
    assert bound([float(i) for i in range(299)]) == 298.0
    assert bound([float(i) for i in range(1000)]) == 995.0
    assert bound([float(i) for i in range(20000)]) == 19823.0


def test_without_torch_or_without_a_gpu_it_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--device", "cuda:9"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        env={"DUPLEX_LAB_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "is not built" in done.stderr or "no CUDA GPU" in done.stderr


def test_bad_options_are_refused():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--size", "2b"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "there are tiny, 100m" in done.stderr
