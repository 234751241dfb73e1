"""Spans from their beginning to the file of their process, and back as a trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.trace import roots_of, tree
from contracts.trace import TraceContext
from runtime import tracing
from runtime.span_files import MAX_BYTES, read_spans
from runtime.span_recorder import SpanRecorder, recorder_to
from runtime.telemetry import continue_trace, new_trace

MS = 1_000_000


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpanRecorder]:
    made = recorder_to("gateway", tmp_path, None)
    monkeypatch.setattr(tracing, "_recorder", made)
    yield made
    made.close()


def test_hops_of_several_processes_are_one_tree(recorder: SpanRecorder, tmp_path: Path) -> None:
    request = new_trace()
    shard = recorder_to("shard-0", tmp_path, None)
    asked = continue_trace(request.header())
    for number in (0, 1):
        mine = tracing.sibling_of(asked)
        shard.record(f"search in shard {number}", mine, (10 + number) * MS, (20 + number) * MS, {"group": 1})
    shard.close()
    with tracing.span("triton model", request) as hop:
        assert hop is not None
        assert hop.parent_id == request.span_id
    tracing.record("POST /v1/search", request, 5 * MS, 30 * MS, status="200")
    recorder.close()

    spans = read_spans(tmp_path, request.trace_id)
    assert [root.name for root in roots_of(spans)] == ["POST /v1/search"]
    lines = list(tree(spans))
    assert lines[0] == "      0.0 ms      25.0 ms  POST /v1/search [gateway] status=200"
    assert lines[1:3] == [
        "      5.0 ms      10.0 ms    search in shard 0 [shard-0] group=1",
        "      6.0 ms      10.0 ms    search in shard 1 [shard-0] group=1",
    ]
    assert len(lines) == len(spans) == 4


def test_a_block_that_fails_is_recorded_with_its_error(recorder: SpanRecorder, tmp_path: Path) -> None:
    trace = new_trace()
    with pytest.raises(ValueError, match="broken"), tracing.span("work", trace):
        raise ValueError("broken")
    recorder.close()
    (span,) = read_spans(tmp_path, trace.trace_id)
    assert span.attributes == {"error": "ValueError"}


def test_what_is_not_sampled_leaves_nothing_and_passes_its_decision_on(
    recorder: SpanRecorder, tmp_path: Path
) -> None:
    trace = TraceContext("a" * 32, "b" * 16, sampled=False)
    with tracing.span("work", trace) as hop:
        assert hop == trace
    tracing.record("hop", continue_trace(trace.header()), 0)
    recorder.close()
    assert read_spans(tmp_path, trace.trace_id) == []


def test_a_trace_that_begins_here_is_sampled_by_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_share", 0.0)
    assert not new_trace().sampled
    assert continue_trace(f"00-{'a' * 32}-{'b' * 16}-01").sampled, "who sent it has decided"
    monkeypatch.setattr(tracing, "_share", 1.0)
    assert new_trace().sampled


def test_a_full_file_becomes_the_older_one_and_is_still_read(tmp_path: Path) -> None:
    trace = new_trace()
    first = recorder_to("gateway", tmp_path, None)
    first.record("old", trace, 1, 2, {})
    first.close()
    with (tmp_path / "gateway.jsonl").open("ab") as file:
        file.truncate(MAX_BYTES + 1)
    second = recorder_to("gateway", tmp_path, None)
    second.record("new", trace, 3, 4, {})
    second.close()
    assert [span.name for span in read_spans(tmp_path, trace.trace_id)] == ["old", "new"]


def test_a_line_that_was_cut_short_is_skipped(recorder: SpanRecorder, tmp_path: Path) -> None:
    trace = new_trace()
    tracing.record("hop", trace, 1)
    recorder.close()
    with (tmp_path / "gateway.jsonl").open("a") as file:
        file.write(f'{{"trace": "{trace.trace_id}", "na')
    assert [span.name for span in read_spans(tmp_path, trace.trace_id)] == ["hop"]
