"""Spans to an OpenTelemetry collector: what it gets, and what one that is away, slow or unwilling costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from contracts.errors import ConfigurationError
from contracts.metrics import SPANS_LOST
from runtime import tracing
from runtime.settings import ProcessSettings, load_settings
from runtime.span_collector import DEADLINE_S
from runtime.span_files import read_spans
from runtime.span_queue import QUEUE_SPANS
from runtime.span_recorder import SpanRecorder, recorder_to
from runtime.telemetry import Metrics, new_trace
from tests.otlp_receiver import Receiver, receiver

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def lost(recorder: SpanRecorder, cause: str, to: str = "collector") -> float:
    registry = CollectorRegistry()
    registry.register(recorder.lost)
    return registry.get_sample_value(f"{SPANS_LOST.name}_total", {"to": to, "cause": cause}) or 0.0


def record_many(recorder: SpanRecorder, count: int) -> None:
    trace = new_trace()
    for number in range(count):
        recorder.record(f"hop {number}", tracing.child_of(trace), 1, 2, {})


def test_collector_gets_the_very_spans_that_the_files_hold(collector: Receiver, tmp_path: Path) -> None:
    recorder = recorder_to("gateway", tmp_path, collector.url)
    request = new_trace()
    recorder.record("triton llama", tracing.child_of(request), 5, 9, {"tokens": 12, "first_ms": 1.5, "ok": True})
    recorder.record("POST /v1/answer", request, 1, 10, {"status": "200"})
    recorder.close()
    received = sorted(collector.spans(2), key=lambda span: span.start_ns)
    assert received == read_spans(tmp_path, request.trace_id)
    assert received[1].parent == request.span_id
    assert received[1].attributes == {"tokens": 12, "first_ms": 1.5, "ok": True}


def test_spans_go_to_a_collector_without_files(collector: Receiver) -> None:
    recorder = recorder_to("shard-0", None, f"{collector.url}/")
    record_many(recorder, 3)
    assert {span.process for span in collector.spans(3)} == {"shard-0"}
    recorder.close()


def test_collector_that_is_away_costs_spans_that_are_counted_and_nothing_else(tmp_path: Path) -> None:
    with receiver() as gone:
        pass
    recorder = recorder_to("gateway", tmp_path, gone.url)
    trace = new_trace()
    recorder.record("hop", trace, 1, 2, {})
    recorder.close()
    assert lost(recorder, "not_delivered") == 1
    assert lost(recorder, "not_delivered", to="files") == 0
    assert [span.name for span in read_spans(tmp_path, trace.trace_id)] == ["hop"]


def test_slow_collector_fills_a_bounded_queue_and_whoever_records_never_waits(collector: Receiver) -> None:
    collector.answering.clear()
    recorder = recorder_to("gateway", None, collector.url)
    record_many(recorder, 1)
    assert collector.asked.wait(10)
    began = time.monotonic()
    record_many(recorder, 2 * QUEUE_SPANS)
    assert time.monotonic() - began < DEADLINE_S, "recording waited for the collector"
    # What the thread took out of the queue meanwhile left places: no request can have ended, so one batch at most.
    assert QUEUE_SPANS - 512 <= lost(recorder, "queue_full") <= QUEUE_SPANS
    began = time.monotonic()
    recorder.close()
    # The request under way and one more try, each with its deadline; not one for each batch that waits.
    assert time.monotonic() - began < 3 * DEADLINE_S
    assert lost(recorder, "queue_full") + lost(recorder, "not_delivered") == 2 * QUEUE_SPANS + 1


def test_refused_spans_are_counted_and_the_next_are_delivered(collector: Receiver) -> None:
    collector.status = 400
    recorder = recorder_to("gateway", None, collector.url)
    record_many(recorder, 2)
    assert collector.asked.wait(10)
    recorder.close()
    assert lost(recorder, "not_delivered") == 2
    collector.status = 200
    recorder = recorder_to("gateway", None, collector.url)
    record_many(recorder, 2)
    recorder.close()
    assert lost(recorder, "not_delivered") == 0
    assert len(collector.spans(2)) == 2


def test_metrics_of_a_process_count_its_lost_spans(collector: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    collector.status = 400
    recorder = recorder_to("gateway", None, collector.url)
    monkeypatch.setattr(tracing, "_recorder", recorder)
    metrics = Metrics()
    record_many(recorder, 2)
    recorder.close()
    labels = {"to": "collector", "cause": "not_delivered"}
    assert metrics.registry.get_sample_value(f"{SPANS_LOST.name}_total", labels) == 2


def test_process_sends_its_last_spans_before_it_ends_and_says_nothing_on_stderr(collector: Receiver) -> None:
    program = (
        "import os, time; from runtime import tracing; "
        "from runtime.settings import ProcessSettings, load_settings; "
        "from runtime.telemetry import new_trace; settings = load_settings(ProcessSettings, os.environ); "
        "tracing.configure_tracing('p', settings.trace_dir, settings.trace_share, settings.otlp_endpoint); "
        "tracing.record('last', new_trace(), time.time_ns())"
    )
    environment = {"PATH": os.environ["PATH"], "TRIREME_PROCESS": "p", ENDPOINT: collector.url}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=60, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [span.name for span in collector.spans(1)] == ["last"]


def test_standard_variable_names_the_collector_and_an_empty_one_names_none() -> None:
    told = {"TRIREME_PROCESS": "gateway", ENDPOINT: "https://collector:4318"}
    assert load_settings(ProcessSettings, told).otlp_endpoint == "https://collector:4318"
    assert load_settings(ProcessSettings, {**told, ENDPOINT: ""}).otlp_endpoint is None


@pytest.mark.parametrize("wrong", ["collector:4318", "grpc://collector:4317", "http://", "http:///v1"])
def test_what_is_no_address_of_a_collector_stops_the_process_with_the_variables_name(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{ENDPOINT}: "):
        load_settings(ProcessSettings, {"TRIREME_PROCESS": "gateway", ENDPOINT: wrong})
