"""The box of the grader: submitted code sees no network, no other files, and can't write anywhere.

Linux: bubblewrap (``bwrap``). It shows the system's libraries, this Python and the submission's
folder, all read-only; no network, no other processes, no home, no ``/proc``; limits of memory,
time, processes and output on top. Trial shows whether it holds: code that breaks out in each of
these ways is run first. Elsewhere (macOS, a container without user namespaces) there is none, and
the grader then runs no code at all.

It does not protect from an error in the kernel. Grade on a machine that holds nothing valuable.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labs.code import CHILD, Box, CodeError, Ended, Limits, call, run_child
from pipelines.process.scratch import Scratch

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
WORK = "/submission"
TOOLS = "/grader"
NOBODY = 64_207
"""User id that code runs as where the grader is root: one that owns nothing and runs nothing else,
so that the limit of processes counts its own."""

ATTEMPTS = """
import os, socket

def network(port):
    for place in (("127.0.0.1", port), ("192.0.2.1", 9)):
        try:
            socket.create_connection(place, timeout=0.5).close()
            return f"a connection to {place[0]} was made"
        except TimeoutError:
            return f"a packet to {place[0]} could be sent"
        except OSError:
            pass
    return ""

def write(paths):
    done = []
    for path in paths:
        try:
            open(path + "/written-from-within", "w").close()
            done.append(path)
            os.remove(path + "/written-from-within")
        except OSError:
            pass
    return done

def read(path):
    try:
        return open(path).read()
    except OSError:
        return ""

def processes(most):
    made = []
    try:
        for _ in range(most):
            pid = os.fork()
            if pid == 0:
                import time
                time.sleep(5)
                os._exit(0)
            made.append(pid)
    except OSError:
        pass
    for pid in made:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return len(made)

def memory(mb):
    try:
        return len(bytearray(mb * 2**20)) // 2**20
    except MemoryError:
        return 0
"""
"""Arguments of the sandbox's trial."""


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Linux: bubblewrap's namespaces, and limits that the child sets on itself."""

    program: str
    name: str = "bubblewrap"

    def run(self, root: Path, order: Mapping[str, Any], limits: Limits) -> Ended:
        """See `labs.code.Box`; ``root`` is seen read-only, as `WORK`."""
        command = [self.program, "--unshare-ipc", "--unshare-pid", "--unshare-net"]
        command += ["--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session"]
        command += ["--cap-drop", "ALL", "--hostname", "sandbox"]
        bounds = asdict(limits) | {"open_files": 64}
        if os.geteuid() == 0:
            # Root within would be root without, whom no limit of processes binds: the child becomes
            # nobody, which takes its last capabilities too.
            command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            bounds["user"] = NOBODY
        else:
            command += ["--unshare-user"]
        seen = self._seen()
        for parent in dict.fromkeys(p for path in seen for p in reversed(Path(path).parents)):
            command += ["--perms", "0755", "--dir", str(parent)] if str(parent) != "/" else []
        for path in seen:
            command += ["--ro-bind", path, path]
        for device in DEVICES:
            command += ["--dev-bind", device, device]
        command += ["--ro-bind", str(CHILD), f"{TOOLS}/child.py", "--ro-bind", str(root), WORK]
        command += ["--remount-ro", "/", "--chdir", WORK]
        command += [sys.executable, "-I", "-B", f"{TOOLS}/child.py"]
        told = {**order, "folder": WORK, "limits": bounds}
        return run_child(command, None, told, limits.wall_s)

    def _seen(self) -> list[str]:
        """The parts of this machine that are visible within: libraries and Python, each path
        once.
        """
        wanted = [*SYSTEM, sys.prefix, sys.base_prefix]
        paths = [path for path in dict.fromkeys(wanted) if Path(path).exists()]
        return [p for p in paths if not any(Path(q) in Path(p).parents for q in paths)]


def find_sandbox() -> tuple[Bubblewrap | None, str]:
    """The sandbox of this system, tried; or None, and why there is none.

    Returns:
        The box, and a sentence for the report.
    """
    if not sys.platform.startswith("linux"):
        return None, f"no sandbox is known for {sys.platform}: submitted code was not run"
    program = shutil.which("bwrap")
    if program is None:
        return None, "bubblewrap (bwrap) is not installed: submitted code was not run"
    box = Bubblewrap(program)
    why = leak_of(box)
    if why is not None:
        return None, f"bubblewrap does not hold here ({why}): submitted code was not run"
    return box, "submitted code was run in bubblewrap: no network, nothing writable, limits"


def leak_of(box: Box) -> str | None:
    """Tries to break out of a box in each way that it must prevent.

    Returns:
        The first that went through, or why it can't be tried; None if it holds.
    """
    with Scratch("try-") as place:
        folder, secret, name = place / "work", place / "secret", str(place)
        folder.mkdir()
        secret.write_text("seen", encoding="utf-8")
        (folder / "attempt.py").write_text(ATTEMPTS, encoding="utf-8")
        readable(place)

        def tried(function: str, *arguments: Any) -> Any:
            return call(box, folder, "attempt.py", function, arguments, 20.0)

        limits = Limits()
        places = ["/", "/tmp", "/dev", "/dev/shm", WORK, TOOLS, "/usr", sys.prefix, name]
        try:
            with socket.create_server(("127.0.0.1", 0)) as server:
                if network := tried("network", server.getsockname()[1]):
                    return f"network: {network}"
            if written := tried("write", places):
                return f"it could write to {', '.join(written)}"
            if tried("read", str(secret)):
                return "it could read files of the machine"
            most = limits.processes
            if (made := tried("processes", 2 * most)) > most:
                return f"it could start {made} processes"
            if tried("memory", 2 * limits.memory_mb):
                return f"it could take {2 * limits.memory_mb} MB"
        except CodeError as error:
            return str(error).rstrip(".")
    return None


def readable(folder: Path) -> None:
    """Lets the sandbox's user read a folder that this program made."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
