#!/bin/sh
# ray: a driver whose head is gone gets no exception; Ray ends its process.
#
# Guess: a program that waits in ray.get or ray.wait when the cluster's head dies gets an exception
#        that it can catch ("RayError: Super class of all ray exception types"), and can then keep
#        what it has.
# Seen:  the task's NodeDiedError comes where the head played a task itself; but some seconds later
#        (60 unless set) Ray's core logs "Failed to connect to GCS … The program will terminate" and
#        ends the process with status 1: no except, no finally and no atexit of the program runs.
# Date:  2026-12-01, with ray 2.60.0 on Python 3.11, Linux x86-64.
# Ours:  bench/sweep/cluster/driver.py, which is a process of its own for that reason; what arrived
#        is on disk before anybody is told.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
cat > "$folder/driver.py" <<'DRIVER'
import atexit
import sys
import time

import ray

atexit.register(lambda: print("atexit ran", flush=True))
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
print("joined", flush=True)
try:
    while True:
        try:
            ray.wait([ray.put(1)], timeout=0.2)
            time.sleep(0.2)
        except BaseException as error:
            print("caught", type(error).__name__, flush=True)
            break
finally:
    print("finally ran", flush=True)
DRIVER
HOME="$folder" RAY_USAGE_STATS_ENABLED=0 RAY_gcs_rpc_server_reconnect_timeout_s=5 \
  "$folder/venv/bin/python" -W ignore - "$folder" <<'PROBE'
import os
import subprocess
import sys

import ray
from ray.cluster_utils import Cluster

folder = sys.argv[1]
head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args=head)
driver = subprocess.Popen(
    [sys.executable, "-W", "ignore", f"{folder}/driver.py", cluster.address],
    stdout=subprocess.PIPE, text=True,
)
print("Python", sys.version.split()[0], "ray", ray.__version__)
print("driver:", driver.stdout.readline().strip())
cluster.remove_node(cluster.head_node, allow_graceful=False)
said = driver.stdout.read().split("\n")
status = driver.wait(timeout=60)
print("the head is gone; the driver said", [line for line in said if line], "and ended with", status)
as_described = status == 1 and not any(said)
if not as_described:
    print("This has changed: it was ended with status 1 and said nothing more.", file=sys.stderr)
sys.stdout.flush()
os._exit(0 if as_described else 1)  # at a usual exit the probe would wait for the head
PROBE
