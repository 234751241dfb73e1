"""Searches without end while something happens to a stack. Not one may fail; what was incomplete is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from client.client import TriremeClient
from contracts.api import SearchResponse

# The 200 ms rule ends a search that nothing has answered with an error. On a machine without cores to spare that
# says something of the machine, and here only failures of the change over are looked for: a gateway with these
# settings waits for seconds, and what took longer than the rule allows is counted.
PATIENT = (
    *("--gateway", "search_budget_ms=5000", "--gateway", "shard_deadline_ms=4800"),
    *("--gateway", "encode_budget_ms=2500", "--gateway", "hedge_until_ms=4000"),
)
RULE_MS = 200.0

Ask = Callable[[TriremeClient, int], tuple[SearchResponse, str]]
"""Sends the n-th search; gives the response and the name of the document that has to come first."""


class ConstantSearches:
    """Keeps what went wrong, and how often an answer was not whole.

    A search fails when it ends in an error, of whatever kind, or when all shards and encoders answered and the
    wrong document came first. An answer of some shards, or without one half of the query, says so: it is counted
    in `partial`, and may lack the document. `slow` took longer than the 200 ms rule allows.
    """

    def __init__(self, url: str, ask: Ask) -> None:
        self.n_searches = 0
        self.partial = 0
        self.slow = 0
        self.slowest_ms = 0.0
        self.failures: list[str] = []
        self.served_by: list[str] = []
        self._url = url
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def going_on(self) -> Iterator[ConstantSearches]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join(30)

    @property
    def report(self) -> str:
        """One line for whoever runs the test."""
        return (
            f"{self.n_searches} searches: {len(self.failures)} failed, {self.partial} partial, "
            f"{self.slow} took over {RULE_MS:.0f} ms, slowest {self.slowest_ms:.0f} ms, "
            f"generations {self.served_by}"
        )

    def _run(self) -> None:
        with TriremeClient(self._url, timeout_s=30.0) as client:
            while not self._stop.is_set():
                self.n_searches += 1
                began = time.monotonic()
                try:
                    found, wanted = self._ask(client, self.n_searches)
                except Exception as exc:  # noqa: BLE001 - every failure counts
                    took_ms = (time.monotonic() - began) * 1000
                    self.failures.append(f"search {self.n_searches} after {took_ms:.0f} ms: {exc!r}")
                    continue
                self._look_at(found, wanted, (time.monotonic() - began) * 1000)

    def _look_at(self, found: SearchResponse, wanted: str, took_ms: float) -> None:
        self.slowest_ms = max(self.slowest_ms, took_ms)
        self.slow += took_ms > RULE_MS
        if not self.served_by or self.served_by[-1] != found.generation:
            self.served_by.append(found.generation)
        if found.coverage.answered < found.coverage.of or found.degraded:
            self.partial += 1
        elif not found.hits or found.hits[0].source != wanted:
            names = [hit.source for hit in found.hits[:3]]
            self.failures.append(f"search {self.n_searches} for {wanted} in {found.generation}: {names}")
