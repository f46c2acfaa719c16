"""Runs in a process of its own: calls one function of one submitted file, and returns its result.

Order on stdin, result on stdout, both JSON. Output of the submitted code goes to stderr. It is
started as a file, in folders where this package need not be visible: it imports none of our
modules.
"""

import base64
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path


def _limit(limits: dict) -> None:  # type: ignore[type-arg]
    """Limits this process for good, before any submitted code is read."""
    import resource

    if (user := limits.get("user")) is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for name, value in (
        (resource.RLIMIT_CPU, limits.get("cpu_s")),
        (resource.RLIMIT_AS, limits.get("memory_mb", 0) * 2**20 or None),
        (resource.RLIMIT_FSIZE, limits.get("file_mb", 0) * 2**20 or None),
        (resource.RLIMIT_NPROC, limits.get("processes")),
        (resource.RLIMIT_NOFILE, limits.get("open_files")),
        (resource.RLIMIT_CORE, 0),
    ):
        if value is not None:
            _, hard = resource.getrlimit(name)
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(name, (bound, bound))


def _encoded(value: object) -> object:
    import numpy as np

    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"ndarray": data, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"it gave back a {type(value).__name__}, which is neither plain nor an array")


def _decoded(table: dict) -> object:  # type: ignore[type-arg]
    if "ndarray" not in table:
        return table
    import numpy as np

    data = base64.b64decode(table["ndarray"])
    return np.frombuffer(data, np.dtype(table["dtype"])).reshape(table["shape"]).copy()


def main() -> None:
    """Order in, result out."""
    order = json.load(sys.stdin, object_hook=_decoded)
    _limit(order.get("limits", {}))
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        folder = order.get("folder") or str(Path.cwd())
        sys.path.insert(0, folder)
        path = f"{folder}/{order['file']}"
        spec = importlib.util.spec_from_file_location("submitted", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{order['file']} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules["submitted"] = module
        spec.loader.exec_module(module)
        function, arguments = getattr(module, order["function"]), order["arguments"]
        result = [function(one) for one in arguments] if order["each"] else function(*arguments)
        text = json.dumps({"result": result}, default=_encoded)
    except BaseException as error:
        traceback.print_exc()
        text = json.dumps({"error": f"{type(error).__name__}: {error}"})
    answer.write(text)
    answer.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
