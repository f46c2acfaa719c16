"""A skip that nobody expects fails the tests in CI: a check that is silently left out is no check.

A pytest plugin. It names every skip whose reason is in no row of `EXPECTED`; where the variable
``CI`` is set, the tests then fail. "The machine is busy" is no row: what needs a quiet clock is
marked ``realtime`` and is played alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Expected:
    """A reason for which tests may be left out."""

    reason: str
    """Regular expression that is sought in a skip's reason."""
    why: str
    """What a machine is allowed to lack."""


EXPECTED = (
    Expected(r"\bextra '?\w+'? is not installed", "an optional extra of pyproject.toml"),
    Expected(r"^Playwright is not installed", "the extra 'browser'"),
    Expected(r"could not import '(aiortc|av|cryptography|segno)'", "the extra 'talk'"),
    Expected(r"could not import '(nbclient|opentelemetry[\w.]*)'", "an extra of that name"),
    Expected(r"could not import '(torch|onnx|onnxscript|onnxruntime)'", "what trains models"),
    Expected(r"^torch trains; the product has none", "what trains models"),
    Expected(r"^no chromium or google-chrome in PATH", "a browser"),
    Expected(r"^flite 2\.2 is not installed", "the synthesiser that made the fixtures"),
    Expected(r"^torch is optional: ", "an engine environment that is built on request"),
    Expected(r"^the engine environment [\w-]+ is not built", "one that a run builds"),
    Expected(r"^llama-cpp-python is compiled for minutes: ", "an engine that is compiled"),
    Expected(r"\bno GPU\b|\bCUDA\b", "a GPU"),
    Expected(r"\bbubblewrap\b", "the sandbox of the grader"),
    Expected(r"^root may write anywhere", "a user who is not root"),
    Expected(r"^malloc_trim is glibc's", "Linux"),
    Expected(r"^this system has no /dev/full", "Linux"),
)


def is_expected(reason: str) -> bool:
    """Whether a test may be skipped for this reason."""
    return any(re.search(row.reason, reason) for row in EXPECTED)


class SkipGate:
    """Collects the skips of a session, and judges them at its end.

    Args:
        strict: True if a skip that nobody expects fails the session.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._skips: dict[str, str] = {}
        """Test or module → reason."""

    def unexpected(self) -> Iterator[str]:
        """One line for each skip that nobody expects."""
        for name, reason in self._skips.items():
            if not is_expected(reason):
                yield f"{name}: {reason}"

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            told = report.longrepr
            reason = told[2] if isinstance(told, tuple) else str(told)
            self._skips[report.nodeid] = reason.removeprefix("Skipped: ")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test, here or in a worker."""
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module, which an import that is missing skips as a whole."""
        self._note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Makes the session fail."""
        passed = session.exitstatus == pytest.ExitCode.OK
        if self._strict and passed and any(self.unexpected()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Names them."""
        found = list(self.unexpected())
        if found:
            what = "an error where CI is set" if not self._strict else "an error"
            terminalreporter.section(f"skips that nobody expects ({what})")
            for line in found:
                terminalreporter.line(line)
            terminalreporter.line("Mend the cause, or give it a row in tests/expected_skips.py.")


def pytest_configure(config: pytest.Config) -> None:
    """The process that reports has the gate; workers hand their reports to it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipGate(bool(os.environ.get("CI"))), "skip-gate")
