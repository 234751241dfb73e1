"""The part of the HTTP API about experiments, as methods; found at `TriremeClient.experiments`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from contracts.experiments_view import ExperimentList, ExperimentView

_PATH = "/v1/experiments"


class ExperimentCalls:
    """Defines, starts, watches and stops experiments, and tells what a response was worth.

    Args:
        call: makes one request and reads its answer, as `TriremeClient` does.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def list(self) -> ExperimentList:
        """All experiments, running ones first."""
        listed: ExperimentList = self._call(ExperimentList, "GET", _PATH)
        return listed

    def show(self, name: str) -> ExperimentView:
        """One experiment, with its intervals over time and its audit log."""
        return self._view("GET", name)

    def put(self, name: str, definition: Mapping[str, Any]) -> ExperimentView:
        """Define an experiment; `definition` is the body of `PUT /v1/experiments/{name}`."""
        return self._view("PUT", name, json=dict(definition))

    def start(self, name: str, *, why: str = "") -> ExperimentView:
        """Start it, with numbers from zero."""
        return self._view("POST", name, "/start", json={"why": why})

    def stop(self, name: str, *, why: str = "") -> ExperimentView:
        """Stop it; its numbers stay."""
        return self._view("POST", name, "/stop", json={"why": why})

    def feedback(
        self, impression_id: str, kind: str, *, positive: bool = True, rank: int | None = None
    ) -> Mapping[str, int]:
        """Say what a response was worth; see `POST /v1/feedback`."""
        body = {"impression_id": impression_id, "kind": kind, "positive": positive, "rank": rank}
        taken: Mapping[str, int] = self._call(dict[str, int], "POST", "/v1/feedback", json=body)
        return taken

    def _view(self, method: str, name: str, end: str = "", **request: Any) -> ExperimentView:
        view: ExperimentView = self._call(
            ExperimentView, method, f"{_PATH}/{quote(name, safe='')}{end}", **request
        )
        return view
