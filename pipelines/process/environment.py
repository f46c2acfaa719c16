"""Engine environments: a Python of its own for an engine whose packages clash with Pipecat's.

Each is a venv that uv builds, on first use, from a locked file of ``environments/`` into the cache
folder. The folder's name holds the lock's checksum and the folder appears by a rename, so that a
changed lock causes a new build and a killed build is never taken for a finished one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.cache import Tell, building, cache_folder, need_disk, silent
from pipelines.errors import LabError

_LOCKS = Path(__file__).parents[1] / "environments"
_MOST_MINUTES = 20  # a slow line; on a quick one a build is a matter of seconds
_MOST_MINUTES_COMPILED = 120  # a busy machine; a quiet one of two cores takes five


@dataclass(frozen=True, slots=True)
class Environment:
    """One engine environment."""

    name: str
    """Name, also of its locked file."""
    what: str
    """The engine that it holds."""
    imports: tuple[str, ...]
    """Modules that must be importable in it."""
    disk_gb: float
    """Largest size on disk."""
    size: str
    """The size in words."""
    pip: tuple[str, ...] = ()
    """Installed last, by pip, from where the user's own pip looks: of torch, PyPI has CUDA's build
    for Linux, and another index or ``PIP_FIND_LINKS`` may have one for the CPU."""
    compiled: tuple[str, ...] = ()
    """Packages without wheels, which are compiled on this machine, their build tools fetched by uv;
    all others must have wheels."""
    flags: tuple[tuple[str, str], ...] = ()
    """Environment variables of the compilation."""
    machines: tuple[str, ...] = ("Linux x86_64", "Linux aarch64", "Darwin arm64")
    """Machines that have its packages, as `platform` names them."""

    @property
    def variable(self) -> str:
        """Environment variable by which the user names an interpreter."""
        return f"DUPLEX_LAB_{self.name.upper().replace('-', '_')}_PYTHON"

    @property
    def lock(self) -> Path:
        """Its locked requirements."""
        return _LOCKS / f"{self.name}.lock"

    @property
    def folder(self) -> Path:
        """Folder where it is, or will be, built."""
        key = hashlib.sha256(self.lock.read_bytes())
        made_by = (self.pip, _python_request(), platform.machine())
        key.update(repr(made_by + ((self.flags,) if self.flags else ())).encode())
        return cache_folder() / "environments" / f"{self.name}-{key.hexdigest()[:12]}"

    @property
    def python(self) -> Path:
        """Its interpreter, which may not exist yet."""
        return self.folder / "bin" / "python"


def _torch_disk_gb() -> float:
    if platform.system() == "Darwin":
        return 1.5
    return 9.0 if shutil.which("nvidia-smi") else 7.5  # which build pip takes is not known before


ENVIRONMENTS: dict[str, Environment] = {
    e.name: e
    for e in (
        Environment(
            "moshi-mlx",
            "moshi_mlx 0.3.0: Moshi on Apple Silicon (Metal) or on Linux's CPU",
            ("mlx.core", "moshi_mlx", "rustymimi", "sentencepiece", "safetensors"),
            disk_gb=0.7,
            size="0.5 GB",
        ),
        Environment(
            "moshi-torch",
            "moshi 0.2.13 and pocket-tts 4.0.1 on torch 2.13: Moshi, Kyutai STT, Pocket TTS",
            ("torch", "moshi.models", "pocket_tts", "sentencepiece", "safetensors"),
            disk_gb=_torch_disk_gb(),
            size="1 GB with a CPU build of torch, 7 GB with CUDA's",
            pip=("torch==2.13.0",),
        ),
        Environment(
            "whisper",
            "faster-whisper 1.2.1: Whisper in CTranslate2, on the CPU or on CUDA",
            ("faster_whisper", "ctranslate2", "tokenizers"),
            disk_gb=0.6,
            size="0.4 GB",
        ),
        Environment(
            "llama",
            "llama-cpp-python 0.3.36: llama.cpp, compiled here (5 minutes on 2 cores)",
            ("llama_cpp",),
            disk_gb=1.5,
            size="0.2 GB",
            compiled=("llama-cpp-python",),
            # Portable: what -march=native makes crashes on Q8_0 where the processor has AMX.
            flags=(("CMAKE_ARGS", "-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF -DLLAMA_OPENSSL=OFF"),),
        ),
        Environment(
            "moonshine",
            "moonshine-voice 0.1.5: Moonshine in onnxruntime, on the CPU",
            ("moonshine_voice", "onnxruntime", "onnx"),
            disk_gb=0.5,
            size="0.3 GB",
        ),
        Environment(
            "kokoro",
            "kokoro-onnx 0.6.1: Kokoro in onnxruntime (with espeak-ng, GPL-3.0-or-later)",
            ("kokoro_onnx", "onnxruntime", "onnx"),
            disk_gb=0.5,
            size="0.3 GB",
        ),
        Environment(
            "piper",
            "piper-tts 1.8.0: Piper's voices in onnxruntime (GPL-3.0-or-later)",
            ("piper", "onnxruntime", "onnx"),
            disk_gb=0.3,
            size="0.2 GB",
        ),
    )
}
"""Name → environment. A new one is a row here and a locked file beside the others.

They lie here and not beside the engines, because several engines share one: Kyutai STT, Pocket TTS
and Moshi on torch all run in ``moshi-torch``, 7 GB that nobody wants three times.
"""


def ensure(name: str, tell: Tell = silent, *, verify: bool = False) -> str:
    """The environment's interpreter; builds it first where it is missing.

    Args:
        name: A key of `ENVIRONMENTS`.
        tell: Takes lines about the build's progress.
        verify: Whether one that is there must show that it imports the engine, and is built again
            if it does not; this takes seconds.

    Raises:
        LabError: it is unknown, or can't be built here; one sentence with what to do.
    """
    wanted = get(name)
    if own := os.environ.get(wanted.variable):
        _check(wanted, own, f"{own} (from {wanted.variable})")
        return own
    if _fault(wanted, verify) is not None:
        with building(wanted.folder, tell):
            fault = _fault(wanted, verify)  # it may have been built while we waited
            if fault is not None:
                if fault:
                    tell(f"{fault} It is built again.")
                _build(wanted, tell)
    return str(wanted.python)


def find(name: str) -> str | None:
    """The environment's interpreter, or None where it is not built (or not named by the user)."""
    wanted = get(name)
    own = os.environ.get(wanted.variable)
    return own or (str(wanted.python) if wanted.python.exists() else None)


def get(name: str) -> Environment:
    """One row of the table.

    Raises:
        LabError: there is none of that name.
    """
    if name not in ENVIRONMENTS:
        raise LabError(f"No engine environment {name!r}: there are {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[name]


def _fault(wanted: Environment, verify: bool) -> str | None:
    """Why it must be built: a sentence, or an empty text if it does not exist; None: no need."""
    if not wanted.python.exists():
        return ""
    if verify:
        try:
            _check(wanted, str(wanted.python), str(wanted.python))
        except LabError as error:
            return str(error)
    return None


def _build(wanted: Environment, tell: Tell) -> None:
    here = f"{platform.system()} {platform.machine()}"
    if here not in wanted.machines:
        raise LabError(
            f"The engine environment {wanted.name} can't be built on {here}: its packages are "
            f"made for {', '.join(wanted.machines)}; use such a machine, or another backend."
        )
    uv = _uv()
    folder = wanted.folder
    need_disk(folder, wanted.disk_gb * 1e9, f"the engine environment {wanted.name}")
    temporary = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(temporary, ignore_errors=True)  # from a killed build: the lock is ours
    python = str(temporary / "bin" / "python")
    long = "a compiler at work: several minutes" if wanted.compiled else "a minute or two"
    tell(f"building the engine environment {wanted.name} ({wanted.size}), {long}")
    began_s = time.monotonic()
    lock = str(wanted.lock)
    seed = ["--seed"] if wanted.pip else []  # with pip
    steps = [
        [uv, "venv", "--quiet", *seed, "--python", _python_request(), str(temporary)],
        [uv, "pip", "sync", "--quiet", *_source(wanted), "--python", python, lock],
    ]
    if wanted.pip:
        steps.append([python, "-m", "pip", "install", "--quiet", *wanted.pip])
    try:
        for step in steps:
            _run(wanted, step)
        _check(wanted, python, "what was built")
        try:
            if folder.exists():  # broken: its base Python was removed, or a package of it
                shutil.rmtree(folder)
            temporary.rename(folder)
        except OSError as error:
            raise LabError(_cannot(wanted, str(error))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    tell(f"engine environment {wanted.name}: built in {time.monotonic() - began_s:.0f} s")


def _source(wanted: Environment) -> list[str]:
    """Options of uv: only the listed packages are built from source, and without uv's cache.

    The cache does not know `Environment.flags`: it would reuse what was built with other flags.
    """
    if not wanted.compiled:
        return ["--no-build"]
    if not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        raise LabError(
            f"The engine environment {wanted.name} is compiled, and there is no C compiler here: "
            "install one (Debian and Ubuntu: apt install build-essential; macOS: "
            "xcode-select --install)."
        )
    locked = [line.split("==")[0] for line in wanted.lock.read_text().splitlines() if "==" in line]
    wheels = [name for name in locked if name.strip() not in wanted.compiled]
    return ["--no-cache", *(f"--only-binary={name.strip()}" for name in wheels)]


def _python_request() -> str:
    """Our own interpreter, where the locked packages have wheels for it."""
    return sys.executable if sys.version_info < (3, 13) else ">=3.11,<3.13"


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise LabError(
            "Engine environments are built by uv, which is not here: run 'make setup', "
            "or 'pip install uv'."
        )
    return found


def _run(wanted: Environment, command: list[str]) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    clean.update(wanted.flags)
    most_s = 60 * (_MOST_MINUTES_COMPILED if wanted.compiled else _MOST_MINUTES)
    try:
        done = _finish(command, clean, most_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(_cannot(wanted, str(error))) from error
    if done.returncode:
        raise LabError(_cannot(wanted, done.stderr or done.stdout))


def _finish(
    command: list[str], variables: dict[str, str], most_s: float
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; an early end also ends its compilers."""
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
        process_group=0,
    )
    try:
        out, said = child.communicate(timeout=most_s)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise
    return subprocess.CompletedProcess(command, child.returncode, out, said)


def _cannot(wanted: Environment, said: str) -> str:
    lines = [line.strip(" ×╰─▶├│") for line in said.splitlines()]
    words = "; ".join(line for line in lines if line)[-400:] or "no reason given"
    return (
        f"The engine environment {wanted.name} can't be built ({words}): correct that (is there a "
        f"network and room on the disk?), or name a Python that has the engine by "
        f"{wanted.variable}."
    )


def _check(wanted: Environment, python: str, what: str) -> None:
    """Raises a LabError unless that interpreter imports what the engine needs."""
    code = f"import {', '.join(wanted.imports)}"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, env=clean, timeout=120
        )
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    else:
        if done.returncode == 0:
            return
    raise LabError(
        f"{what} is not a Python for the engine environment {wanted.name}: {said}; "
        f"it must import {', '.join(wanted.imports)}."
    )
