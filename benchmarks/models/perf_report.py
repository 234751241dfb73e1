"""What perf_analyzer reports, read: the CSV of `-f`, and what only its verbose output says."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Literal

from contracts.errors import BadMessage

Stability = Literal["stable", "p99 unstable", "unstable", "any"]
"""How far three windows in a row agreed: throughput and p99; throughput alone; not even that, so that any three
are reported; or any three were asked for to begin with."""

_PASS = re.compile(r"Pass \[\d+\] throughput: ([\d.e+]+) infer/sec\. p99 latency: (\d+) usec")
_DELAYED = re.compile(r"([\d.]+)% of the requests were delayed")
_P99_UNSTABLE = "Request latency is not stabilizing"
_UNSTABLE = "Failed to obtain stable measurement"


@dataclass(frozen=True, slots=True)
class Served:
    """One load's figures as perf_analyzer saw them. Times are means in milliseconds, percentiles apart.

    Args:
        items_per_s: rows, not requests.
        client_ms: putting the request together and taking the response apart in the client.
        network_ms: the way there and back, and gRPC's work in the server.
        queue_ms: waiting in the server for the model.
        input_ms, infer_ms, output_ms: the model's execution: tensors in, the run, tensors out.
        rows_per_run: how many rows the server's batcher joined, on average.
        requests: answered ones that the figures are made of.
        delayed_share: of the requests of an open loop, those that perf_analyzer could not send in time.
        windows: throughput and p99 in milliseconds of every window that was tried.
    """

    items_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    client_ms: float
    network_ms: float
    queue_ms: float
    input_ms: float
    infer_ms: float
    output_ms: float
    rows_per_run: float
    requests: int
    stability: Stability
    delayed_share: float = 0.0
    windows: tuple[tuple[float, float], ...] = ()

    @property
    def overhead_ms(self) -> float:
        """Everything but waiting for the model and running it."""
        return self.client_ms + self.network_ms + self.input_ms + self.output_ms


def is_unstable(errors: str) -> bool:
    """Whether perf_analyzer gave up because its windows did not agree; it then writes no CSV."""
    return _UNSTABLE in errors


def read_windows(output: str) -> tuple[tuple[float, float], ...]:
    """Throughput and p99 in milliseconds of the windows in the verbose output."""
    return tuple((float(rate), int(p99_us) / 1000) for rate, p99_us in _PASS.findall(output))


def read_report(table: str, output: str, errors: str) -> Served:
    """The figures of a run with one load.

    Args:
        table: the CSV file. output, errors: what perf_analyzer printed with -v.

    Raises:
        BadMessage: the CSV is not one row of a known form.
    """
    rows = list(csv.DictReader(io.StringIO(table)))
    if len(rows) != 1:
        raise BadMessage(f"perf_analyzer reported {len(rows)} loads where one was asked for.")
    try:
        return _served(rows[0], output, errors)
    except (KeyError, TypeError, ValueError) as exc:
        raise BadMessage("perf_analyzer's report lacks a figure, or holds one that is no number.") from exc


def _served(row: dict[str, str], output: str, errors: str) -> Served:
    def ms(column: str) -> float:
        return float(row[column]) / 1000

    delayed = _DELAYED.search(output)
    return Served(
        items_per_s=float(row["Inferences/Second"]),
        p50_ms=ms("p50 latency"),
        p90_ms=ms("p90 latency"),
        p99_ms=ms("p99 latency"),
        client_ms=ms("Client Send") + ms("Client Recv"),
        network_ms=ms("Network+Server Send/Recv"),
        queue_ms=ms("Server Queue"),
        input_ms=ms("Server Compute Input"),
        infer_ms=ms("Server Compute Infer"),
        output_ms=ms("Server Compute Output"),
        rows_per_run=_count("Inference count", output) / _count("Execution count", output),
        requests=_count("Request count", output),
        stability="p99 unstable" if _P99_UNSTABLE in errors else "stable",
        delayed_share=float(delayed.group(1)) / 100 if delayed else 0.0,
        windows=read_windows(output),
    )


def _count(label: str, output: str) -> int:
    found = re.search(rf"{label}: (\d+)", output)
    if found is None or int(found.group(1)) == 0:
        raise ValueError(label)
    return int(found.group(1))
