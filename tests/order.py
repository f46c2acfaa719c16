"""Tests that are spread over processes: the long files first, and the screen as in one process.

A pytest plugin. A file goes to the next process that is free; a long one that is left for the end
would keep all cores but one waiting.
"""

from __future__ import annotations

import os

import pytest

LONG = (
    "bench/chains/test_cascade_embedded.py",
    "bench/chains/test_harmed_run.py",
    "bench/agent/test_left_behind.py",
    "pipelines/cascade/test_cascade_swaps.py",
    "bench/chains/test_pipecat_runner.py",
    "labs/test_grader.py",
    "bench/chains/test_watch_chain.py",
    "bench/agent/test_agent.py",
    "pipelines/duplex/moshi/test_moshi_mlx.py",
    "bench/chains/test_bot_shapes.py",
    "test_notebooks.py",
    "pipelines/engines/test_engines.py",
    "pipelines/duplex/nano/test_nano.py",
    "pipelines/duplex/test_moshi_processor.py",
    "pipelines/cascade/test_build.py",
    "pipelines/cascade/test_cascade_services.py",
    "bench/view/test_view.py",
    "training/test_nano_chain.py",
    "pipelines/engines/test_more_engines.py",
    "bench/chains/test_bot_causes.py",
    "bench/cli/test_cli_compare.py",
    "pipelines/hosted/test_hosted.py",
    "pipelines/duplex/session/test_duplex_engine.py",
    "pipelines/duplex/moshi/test_moshi_mlx_processor.py",
    "pipelines/process/test_settle.py",
    "pipelines/process/test_process.py",
    "bench/caller/test_caller.py",
    "labs/test_lab5b.py",
    "labs/test_lab5a.py",
    "labs/test_lab5c.py",
    "bench/chains/test_bot_cases.py",
    "bench/chains/test_scripted_run.py",
    "bench/testing/test_pytest_plugin.py",
    "bench/cli/test_cli.py",
    "pipelines/server/test_live_call.py",
    "bench/store/test_store.py",
    "bench/report/page/test_report_page.py",
    "bench/report/figures/test_figures.py",
    "pipelines/engines/llm/test_creature_model.py",
    "training/nano_duplex/test_nano_simulate.py",
    "training/nano_duplex/test_agent_codec.py",
    "test_arrows.py",
)
"""Files of more than some five seconds, below ``tests/``, the longest first."""


def pytest_configure(config: pytest.Config) -> None:
    """Forgets a screen that there is none of: readline in the first process has made it up."""
    if hasattr(config, "workerinput"):
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves them to the front in each worker."""
    if not items or not hasattr(items[0].config, "workerinput"):
        return
    place = {f"tests/{name}": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONG)))
