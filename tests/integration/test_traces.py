"""One trace for one ingest, and one for one answer: connected, with every hop between the processes."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import urllib.request
from typing import Any

import msgspec
import pytest

from cli.trace import roots_of
from runtime.span_files import SpanLine, read_spans
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COLLECTION = "traces"
TEXT = b"The harbour of Osterkai was dug in 1801. Its mole is four hundred metres long."


def sent(stack: RunningStack, path: str, body: bytes, content_type: str) -> tuple[str, str, bytes]:
    """POST within a trace of ours: its id, our span in it, and the body that came back."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    headers = {
        "traceparent": f"00-{trace_id}-{span_id}-01",
        "X-Requested-With": "trireme",
        "Content-Type": content_type,
    }
    request = urllib.request.Request(f"{stack.url}{path}", data=body, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=90) as answer:
        assert answer.headers["X-Trace-Id"] == trace_id
        return trace_id, span_id, answer.read()


def upload(stack: RunningStack) -> tuple[str, str, bytes]:
    boundary = secrets.token_hex(8)
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="collection"\r\n\r\n{COLLECTION}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="harbour.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    ).encode()
    body += TEXT + f"\r\n--{boundary}--\r\n".encode()
    return sent(stack, "/v1/documents?wait=indexed", body, f"multipart/form-data; boundary={boundary}")


def whole(stack: RunningStack, trace_id: str, span_id: str, *expected: str) -> list[SpanLine]:
    """The trace once every expected hop is there; it has one beginning, ours."""

    def names() -> str:
        return "\n".join(f"{span.process}: {span.name}" for span in read_spans(stack.home.traces, trace_id))

    def is_whole() -> bool:
        # A process writes its spans when they end, so a child may be there before its parent.
        hops = all(re.search(each, names(), re.MULTILINE) for each in expected)
        return hops and len(roots_of(read_spans(stack.home.traces, trace_id))) == 1

    until(is_whole, f"one trace with {expected}", 20.0)
    spans = read_spans(stack.home.traces, trace_id)
    roots = roots_of(spans)
    assert len(roots) == 1, names()
    assert roots[0].process == "gateway"
    assert roots[0].parent == span_id
    assert all(span.end_ns >= span.start_ns for span in spans)
    return spans


def printed(stack: RunningStack, trace_id: str, *options: str) -> Any:
    result = subprocess.run(
        [sys.executable, "-m", "cli.main", "trace", trace_id, "--home", str(stack.home.root), *options],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_one_ingest_and_one_answer_are_one_connected_trace_each(stack: RunningStack) -> None:
    trace_id, span_id, _ = upload(stack)
    spans = whole(
        stack,
        trace_id,
        span_id,
        r"^gateway: POST /v1/documents",
        r"^text-embedder: text of ",
        r"^text-embedder: triton ",
        r"^joint-updater: join of ",
        r"^shard-\d: update of shard \d",
        r"^replica: update of shard \d",
    )
    assert len(printed(stack, trace_id).splitlines()) == len(spans)
    assert TEXT.decode()[:20] not in printed(stack, trace_id, "--json"), "spans hold no document's text"

    question = {
        "query": f"When was the harbour dug? {secrets.token_hex(4)}",
        "filter": {"collections": [COLLECTION]},
    }
    answer_id, answer_span, _ = sent(stack, "/v1/answer", msgspec.json.encode(question), "application/json")
    spans = whole(
        stack,
        answer_id,
        answer_span,
        r"^gateway: POST /v1/answer",
        r"^gateway: generate",
        r"^gateway: triton ",
        *(rf"^(shard-{n}|replica): search in shard {n}" for n in range(3)),
        *(rf"^gateway: search_res of shard {n}" for n in range(3)),
    )
    assert_generated(spans)


def assert_generated(spans: list[SpanLine]) -> SpanLine:
    """The answer was written within its request, by calls of Triton, and tells when its first word came."""
    by_id = {span.span: span for span in spans}
    [written] = [span for span in spans if span.name == "generate"]
    [request] = [span for span in spans if span.name.startswith("POST ")]
    assert written.parent == request.span
    assert request.start_ns <= written.start_ns <= written.end_ns <= request.end_ns
    took_ms = (written.end_ns - written.start_ns) / 1e6
    first_ms = written.attributes["first_token_ms"]
    assert isinstance(first_ms, float)
    assert 0 < first_ms <= took_ms + 1
    assert written.attributes["finish_reason"] in {"stop", "length"}
    calls = [span for span in spans if span.name.startswith("triton ") and by_id.get(span.parent or "") is written]
    assert calls, "no call of Triton below it"
    assert all(call.end_ns <= written.end_ns for call in calls)
    return written
