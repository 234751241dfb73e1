"""A pytest plugin: where NO_SKIPS is set, an integration test that skips itself fails.

`make test` sets it, because it installs all that these tests need: one that skips there would hide what it tests.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

VARIABLE = "NO_SKIPS"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure that names its reason."""
    report = yield
    if report.skipped and os.environ.get(VARIABLE) and item.get_closest_marker("integration"):
        reason = call.excinfo.value if call.excinfo else "no reason was given"
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and {VARIABLE} is set: {reason}"
    return report
