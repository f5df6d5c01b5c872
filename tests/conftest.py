"""Fixtures for every room's tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from vm.kernel_store import fetch

pytest_plugins = ["tests.dask_cluster"]

# Started in the background, by nohup or by some CI systems, we inherit ignored signals, and so would every program
# under test.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session")
def kernel_tree() -> Path:
    """The root of an unpacked kernel package: lib/modules/RELEASE/kernel, boot/vmlinuz-RELEASE."""
    return fetch("6.1").root


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI a skipped machine test is a failure: real kernels are what this project is about."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "machine" in report.keywords]
    if skipped and os.environ.get("CI"):
        terminalreporter.write_line(f"{len(skipped)} machine tests were skipped, and CI does not allow that", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """See pytest_terminal_summary."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter else ()
    if os.environ.get("CI") and any("machine" in report.keywords for report in skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
