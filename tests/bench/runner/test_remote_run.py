"""A run of agents elsewhere, one of them well: what the others do costs their own trials only.

The caller's process, the lines and the server are real; only the clicks before the run are not.
"""

import socket
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from bench.fixtures.library import fixtures_root, load
from bench.lines.fakes.bad import BAD
from bench.report.text.table import blocks
from bench.runner import run
from bench.runner.plan import Plan
from bench.store import store
from bench.summary.summary import summarise
from pipelines.spec import parse_spec
from tests.bench.chains.virtual_run import Clicker, clicked

pytestmark = pytest.mark.unhurried

SERVER = Path(__file__).parents[1] / "agent" / "server_that_answers.py"
BADLY = ("refuses", "closes in the handshake", "401")
KEY = "sesame-open-0123"


def preset(name, url, more=""):
    text = 'title = "x"\narchitecture = "remote"\nkind = "remote"\nweights = "trained"\n'
    agent = f'[agent]\nurl = "{url}"\nline = "pcm-websocket"\ngreeting_s = 0\n{more}'
    return parse_spec(name, text + agent)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """(number of failed trials, folder of the run)."""
    folder = tmp_path_factory.mktemp("runs") / "elsewhere"
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("MY_VOICE", KEY)
        patch.setattr(run, "AgentProcess", Clicker)
        patch.setattr(run, "_calibrate", clicked)
        with closing(socket.socket()) as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        more = (
            f"start = '{sys.executable} {SERVER} {port}'\n"
            'headers_from_env = { Authorization = "MY_VOICE" }\n'
        )
        well = preset("well", f"ws://127.0.0.1:{port}/talk", more)
        badly = [
            preset(f"bad{i}", stack.enter_context(BAD[name]())) for i, name in enumerate(BADLY)
        ]
        plan = Plan((*badly, well), (load(fixtures_root() / "cmd_stop.toml"),), 1)
        failed = run.execute(plan, folder, resume=False, watch=lambda _: None, retries=0)
        yield failed, folder


def test_the_run_goes_on_and_counts_each_bad_peers_trial_as_failed(played):
    failed, folder = played
    assert failed == len(BADLY)  # the command's exit code is 1
    trials = {t.preset: t for t in store.read_trials(folder) if not t.warmup}
    assert [trials[f"bad{i}"].status for i in range(3)] == ["error"] * 3
    for i, sentence in enumerate(("connection is refused", "closed the connection", "HTTP 401")):
        assert sentence in trials[f"bad{i}"].error
    assert trials["well"].status in ("hung_up", "ruler_late")  # on a busy machine
    assert trials["well"].error is None


def test_the_time_to_connect_and_to_be_ready_stand_in_rows_and_in_the_table(played):
    _, folder = played
    rows = {(r.preset, r.metric): r for r in store.read_metrics(folder) if not r.warmup}
    assert 0 < rows["well", "connect_ms"].value < 1000
    assert 0 < rows["well", "handshake_ms"].value < 1000
    refused = rows["bad0", "connect_ms"]
    assert refused.value is None
    assert refused.reason.startswith("no line.connected mark: no agent answers at ws://")
    table = next(
        block
        for block in blocks(summarise(store.read_run(folder), store.read_metrics(folder)))
        if block.title == "The way to the agent"
    )
    assert [row[:2] for row in table.rows][-1] == ("well", "none")
    assert table.header[:4] == ("preset", "network", "connect ms", "handshake ms")


def test_a_started_servers_processes_are_measured_and_ended_helpers_included(played):
    _, folder = played
    (well,) = [t for t in store.read_trials(folder) if t.preset == "well" and not t.warmup]
    assert well.cpu_agent_s >= 0
    assert well.rss_agent_peak_mb > 10
    text = (folder / "well.agent.log").read_text(encoding="utf-8")
    helper = int(text.split("helper ")[1].split()[0])
    assert not psutil.pid_exists(helper) or psutil.Process(helper).status() == "zombie"


def test_a_started_servers_output_is_kept_with_the_run_without_its_keys(played):
    text = (played[1] / "well.agent.log").read_text(encoding="utf-8")
    assert text.startswith("--- started 2")
    assert "my key is ***\n" in text
    assert KEY not in text
