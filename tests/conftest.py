"""Fixtures for all tests. Imports nothing of ours at the top: the export environment reads this file too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.running_stack import RunningStack

pytest_plugins = ["tests.no_skips"]


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """A whole stack with real Triton, Kafka and Redis, shared by all tests. Use collections of your own."""
    from tests.running_stack import running

    with running("shared") as started:
        yield started
