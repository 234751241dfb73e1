"""Every query of every dashboard, asked of a real Prometheus over the running stack, returns data."""

from __future__ import annotations

import itertools
import math
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from client.client import TriremeClient
from contracts.errors import NotFound, TriremeError
from deploy.observability.grafana.render import BOARDS
from stack.home import CHECKOUT
from stack.scrape_targets import TARGETS_FILE
from tests.integration.test_alerts import DAMAGED, in_background
from tests.integration.test_documents import add
from tests.integration.test_experiments import PICTURE, trireme
from tests.prometheus_server import PrometheusServer, prometheus
from tests.promql import TARGET_LABELS, named
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COLLECTION = "boards"
# What Grafana would put in, with a scrape every second.
WINDOW = "10s"
QUERIES = [query for board in BOARDS for panel in board.panels for query in panel.queries]
TOWERS = ("--variant", "full:encoder=full", "--variant", "small:encoder=distilled")


@contextmanager
def life(stack: RunningStack) -> Iterator[None]:
    """People who search, ask, click and make mistakes, and documents that come, all the time."""
    client = TriremeClient(stack.url, timeout_s=10.0)
    names = itertools.count()

    def once(over: threading.Event) -> None:
        question = f"the harbour of {uuid.uuid4()}"
        with suppress(TriremeError):
            client.search(question)
            client.search(question)
            client.answer(question)
            tried = client.search("rocket", image=PICTURE, headers={"X-User-Id": uuid.uuid4().hex})
            if tried.impression_id and tried.hits:
                client.experiments.feedback(tried.impression_id, "click", rank=1)
        with suppress(NotFound):
            client.document(str(uuid.uuid4()))
        for name, data in (
            ("text.txt", question.encode()),
            ("picture.png", PICTURE),
            ("bad.png", DAMAGED.read_bytes()),
        ):
            client.upload(data, f"{next(names)}-{name}", collection=COLLECTION)
        over.wait(0.3)

    with in_background(once):
        yield
    client.close()


def asked(expression: str) -> str:
    return expression.replace("$__rate_interval", WINDOW)


def has_data(series: list[dict[str, Any]]) -> bool:
    return any(not math.isnan(float(each["value"][1])) for each in series)


def labels_of(server: PrometheusServer, name: str) -> set[str]:
    """Labels that a series really has."""
    found: list[dict[str, str]] = server.get("/api/v1/series", **{"match[]": name})
    return set().union(*found) - {"__name__"}


def test_every_panel_shows_data_of_the_running_stack(stack: RunningStack, tmp_path: Path) -> None:
    add(stack, COLLECTION, "rocket.png", (CHECKOUT / "samples" / "rocket.png").read_bytes())
    name = f"boards-{uuid.uuid4().hex[:8]}"
    trireme(stack, "start", name, *TOWERS, "--metric", "clicks", "--window-s", "1", "--why", "a test")
    empty = {query.expr for query in QUERIES if query.waits_for is None}

    def all_show_something() -> bool:
        empty.difference_update([each for each in empty if has_data(server.query(asked(each)))])
        return not empty

    try:
        with prometheus(tmp_path, stack.home.run / TARGETS_FILE) as server, life(stack):
            with suppress(AssertionError):
                until(all_show_something, "every query has data", 60.0)
            assert empty == set()
            for query in QUERIES:
                # Takes the query, whether or not the event that it waits for has come.
                server.query(asked(query.expr))
                if query.waits_for is None:
                    for series, labels in named(query.expr).series.items():
                        there = labels_of(server, series)
                        assert labels <= there | TARGET_LABELS, (query.expr, there)
    finally:
        stack.client.experiments.stop(name, why="seen enough")
