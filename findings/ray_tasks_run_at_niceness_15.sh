#!/bin/sh
# ray: a task runs at niceness 15, though neither the node nor the driver does.
#
# Guess: a task has the priority of the node that runs it, as any program that is started there. The
#        pages on tasks and on resources name none: a task that holds all processors of a node has
#        the node to itself.
# Seen:  Ray raises its workers' niceness by 15, so that they give way to Ray itself and to all else
#        on the machine, and every process that a task starts inherits it. What is measured there
#        beside other work is slower than what is typed on the same machine. A task with
#        runtime_env={"env_vars": {"RAY_worker_niceness": "0"}} has the node's own priority.
# Date:  2026-12-01, with ray 2.60.0 on Python 3.11, Linux x86-64.
# Ours:  bench/sweep/cluster/driver.py, which asks for 0, and node.py, which refuses anything else.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
HOME="$folder" RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" -W ignore - <<'PROBE'
import os
import subprocess
import sys

import ray

ray.init(
    "local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
    object_store_memory=80 * 2**20,
)


@ray.remote(num_cpus=1)
def niceness():
    own = os.getpriority(os.PRIO_PROCESS, 0)
    child = [sys.executable, "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"]
    return own, int(subprocess.check_output(child))


here = os.getpriority(os.PRIO_PROCESS, 0)
task = ray.get(niceness.remote())
asked = {"env_vars": {"RAY_worker_niceness": "0"}}
plain = ray.get(niceness.options(runtime_env=asked).remote())
print("Python", sys.version.split()[0], "ray", ray.__version__)
print(f"driver {here}; a task and its child {task}; with RAY_worker_niceness=0 {plain}")
expected = min(here + 15, 19)
as_described = task == (expected, expected) and plain == (here, here)
sys.exit(0 if as_described else f"This has changed: they were {expected} and {here}.")
PROBE
