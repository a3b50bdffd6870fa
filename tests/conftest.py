"""What all tests share: a skip is seen, and where everything can be had it is a failure."""

import os

import pytest
from hypothesis import settings

collect_ignore = [] if "FORGE_TEST_KUBECONFIG" in os.environ else ["cluster"]
"""What needs a Kubernetes node is no part of `make test`; `make test-cluster` brings one."""

_STRICT = "FORGE_TESTS_MAY_SKIP_NOTHING"


class _Skips:
    """Remembers what was skipped. Set by .ci/run: then any skip fails the run."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.reasons.append(f"{report.nodeid}: {report.longreprtext}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.reasons and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for reason in self.reasons:
            terminalreporter.write_line(f"skipped where nothing may be: {reason}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("unhurried", deadline=None)  # no test is about absolute speed
    settings.load_profile("unhurried")
    if os.environ.get(_STRICT):
        config.pluginmanager.register(_Skips())
