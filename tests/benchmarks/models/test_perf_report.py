"""perf_analyzer's own words, read. The texts are what the 2.51.0 release printed, shortened."""

from __future__ import annotations

import pytest

from benchmarks.models.perf_report import is_unstable, read_report, read_windows
from contracts.errors import BadMessage

HEADER = (
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,"
    "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency,"
    "request/response,response wait\n"
)
ROW = "2,1063.39,23,428,5907,41,4094,467,3,10454,14063,16523,21469,26,10929\n"
OUTPUT = """
Request concurrency: 2
  Pass [1] throughput: 1060.1 infer/sec. p99 latency: 20911 usec
  Pass [2] throughput: 1.0667e+03 infer/sec. p99 latency: 21469 usec
  Client:
    Request count: 399
    Throughput: 1063.39 infer/sec
  Server:
    Inference count: 3192
    Execution count: 456
    Successful request count: 399
"""
GAVE_UP = (
    "Failed to obtain stable measurement within 5 measurement windows for concurrency 4. Please try to increase "
    "the --measurement-request-count.\nFailed to obtain stable measurement.\n"
)
RESTLESS = "Warning: Request latency is not stabilizing. Please try lowering the request rate.\n"
DELAYED = (
    "[WARNING] Perf Analyzer was not able to keep up with the desired request rate. "
    "14.00% of the requests were delayed.\n"
)


def test_times_are_milliseconds_and_throughput_is_rows() -> None:
    served = read_report(HEADER + ROW, OUTPUT, "")
    assert (served.items_per_s, served.p50_ms, served.p99_ms) == (1063.39, 10.454, 21.469)
    assert (served.queue_ms, served.infer_ms) == (5.907, 4.094)


def test_overhead_is_what_is_neither_waiting_nor_computing() -> None:
    assert read_report(HEADER + ROW, OUTPUT, "").overhead_ms == pytest.approx((23 + 3 + 428 + 41 + 467) / 1000)


def test_rows_a_run_are_those_that_the_batcher_joined() -> None:
    served = read_report(HEADER + ROW, OUTPUT, "")
    assert served.rows_per_run == 7
    assert served.requests == 399


def test_a_run_that_agrees_in_throughput_only_says_so() -> None:
    assert read_report(HEADER + ROW, OUTPUT, "").stability == "stable"
    assert read_report(HEADER + ROW, OUTPUT, RESTLESS).stability == "p99 unstable"


def test_windows_that_never_agreed_are_told_from_other_failures() -> None:
    assert is_unstable(GAVE_UP)
    assert not is_unstable("error: failed to get model metadata: failed to connect to all addresses")


def test_every_window_is_read() -> None:
    assert read_windows(OUTPUT) == ((1060.1, 20.911), (1066.7, 21.469))


def test_requests_that_could_not_be_sent_in_time_are_counted() -> None:
    table = HEADER.replace("Concurrency", "Request Rate") + ROW
    assert read_report(table, OUTPUT, "").delayed_share == 0
    assert read_report(table, OUTPUT + DELAYED, "").delayed_share == pytest.approx(0.14)


@pytest.mark.parametrize(
    ("table", "output"),
    [
        (HEADER, OUTPUT),
        (HEADER + ROW + ROW, OUTPUT),
        (HEADER.replace("p99 latency", "p98 latency") + ROW, OUTPUT),
        (HEADER + ROW.replace("5907", "-nan?"), OUTPUT),
        (HEADER + "2,1063.39,23\n", OUTPUT),
        (HEADER + ROW, OUTPUT.replace("Execution count: 456", "Execution count: 0")),
    ],
    ids=["no load", "two loads", "no p99", "no number", "cut short", "nothing was run"],
)
def test_a_report_of_another_form_is_an_error(table: str, output: str) -> None:
    with pytest.raises(BadMessage):
        read_report(table, output, "")
