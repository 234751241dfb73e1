"""The typed client against a gateway that is a function: what it sends, and what it makes of answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from client.answers import AnswerDelta, AnswerDocuments, AnswerDone
from client.changes import read_changes
from client.client import TriremeClient
from client.queries import Turn
from contracts import errors
from contracts.api import AnswerResponse, Coverage, DocumentView, Problem, SearchResponse
from contracts.joint import Weights
from contracts.search import Filter

Handler = Callable[[httpx.Request], httpx.Response]

RESPONSE = SearchResponse(
    hits=[],
    coverage=Coverage(3, 3),
    served_by="index",
    variant="full",
    generation="g-3",
    trace_id="0" * 32,
    timings_ms={"total": 1.0},
)
ANSWER = AnswerResponse(
    answer="Ten a day. [1]",
    citations=[],
    documents=[],
    generator="extractive",
    found=True,
    degraded=False,
    failed_stage=None,
    citations_dropped=0,
    coverage=Coverage(3, 3),
    variant="full",
    trace_id="0" * 32,
    timings_ms={},
)


def view(state: str, version: int = 1) -> DocumentView:
    return DocumentView(
        doc_id="d",
        state=state,
        version=version,
        visible_version=None,
        source="a.txt",
        collection="default",
        content_type="text/plain",
        size_bytes=1,
        reason=None,
        trace_id=None,
    )


def client(handler: Handler) -> TriremeClient:
    return TriremeClient("http://127.0.0.1:1", transport=httpx.MockTransport(handler))


def answering(body: object, status: int = 200) -> Handler:
    return lambda request: httpx.Response(status, content=msgspec.json.encode(body))


def problem(status: int, code: str, retry_after_s: float | None = None, **extra: object) -> Handler:
    told = Problem(
        type=f"about:blank#{code}",
        title="x",
        status=status,
        detail="This is what is wrong.",
        code=code,
        retry_after_s=retry_after_s,
        extra=dict(extra),
    )
    return answering(told, status)


def test_a_search_sends_words_picture_weights_and_filter() -> None:
    sent: list[dict[str, object]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return answering(RESPONSE)(request)

    only = Filter(collections=("a", "b"), kinds=("text",))
    got = client(handler).search("bees", image=b"\x89PNG", k=7, weights=Weights(1, 0, 2), filter=only)
    assert got == RESPONSE
    assert sent == [
        {
            "query": "bees",
            "image": base64.b64encode(b"\x89PNG").decode(),
            "k": 7,
            "weights": {"text_text": 1, "text_image": 0, "image_image": 2, "lexical": 0.3},
            "filter": {"collections": ["a", "b"], "kinds": ["text"]},
        }
    ]


def test_every_request_carries_the_header_that_a_form_cannot_send() -> None:
    seen: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("X-Requested-With"))
        return answering(view("processing"))(request)

    client(handler).upload(b"x", "a/b.txt")
    assert seen == ["trireme"]


def test_an_upload_keeps_the_whole_name_of_the_document() -> None:
    bodies: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return answering(view("processing"), 202)(request)

    client(handler).upload(b"bytes", "manuals/pump.pdf", collection="manuals")
    assert b'name="source_key"\r\n\r\nmanuals/pump.pdf' in bodies[0]
    assert b'filename="pump.pdf"' in bodies[0]
    assert b'name="collection"\r\n\r\nmanuals' in bodies[0]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "invalid_input", errors.InvalidInput),
        (404, "not_found", errors.NotFound),
        (409, "conflict", errors.Conflict),
        (413, "payload_too_large", errors.PayloadTooLarge),
        (415, "unsupported_media", errors.UnsupportedMedia),
        (422, "document_failed", errors.DocumentFailed),
        (429, "overloaded", errors.Overloaded),
        (502, "dependency_failed", errors.DependencyFailed),
        (503, "dependency_down", errors.DependencyDown),
        (504, "deadline_exceeded", errors.DeadlineExceeded),
        (500, "internal", errors.TriremeError),
    ],
)
def test_every_problem_becomes_the_error_it_was(status: int, code: str, kind: type[errors.TriremeError]) -> None:
    with pytest.raises(errors.TriremeError) as raised:
        client(problem(status, code)).search("bees")
    assert type(raised.value) is kind
    assert raised.value.message == "This is what is wrong."


def test_the_time_to_wait_and_the_cause_survive_the_wire() -> None:
    with pytest.raises(errors.Overloaded) as overloaded:
        client(problem(429, "overloaded", retry_after_s=3.5)).search("bees")
    assert overloaded.value.retry_after_s == 3.5
    with pytest.raises(errors.DocumentFailed) as failed:
        client(problem(422, "document_failed", cause="encrypted")).search("bees")
    assert failed.value.cause == "encrypted"


def test_an_error_page_of_something_else_is_told_by_its_status() -> None:
    with pytest.raises(errors.DependencyDown):
        client(lambda request: httpx.Response(503, text="<html>gateway timeout</html>")).search("bees")


def test_a_gateway_that_cannot_be_reached_is_a_dependency_that_is_down() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(errors.DependencyDown, match="stack running"):
        client(refuse).search("bees")


def test_a_slow_gateway_is_a_deadline_exceeded() -> None:
    def wait(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(errors.DeadlineExceeded):
        client(wait).search("bees")


def test_an_answer_of_another_form_is_a_bad_message() -> None:
    with pytest.raises(errors.BadMessage):
        client(answering({"unexpected": True})).search("bees")


def test_an_upload_that_waits_gives_the_gateway_time_to_say_that_it_waited_in_vain() -> None:
    seen: list[httpx.Request] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answering(view("processing"))(request)

    client(gateway).upload(b"words", "a.txt", wait=True, wait_s=50)
    assert dict(seen[0].url.params) == {"wait": "indexed", "wait_s": "50"}
    assert seen[0].extensions["timeout"]["read"] > 50


def test_waiting_ends_at_the_wanted_version_only() -> None:
    views = iter([view("indexed", 1), view("processing", 2), view("indexed", 2)])
    got = client(lambda request: answering(next(views))(request)).wait("d", version=2, timeout_s=10)
    assert (got.state, got.version) == ("indexed", 2)


def test_waiting_gives_up_with_the_state_it_stands_at() -> None:
    with pytest.raises(errors.DeadlineExceeded, match="processing"):
        client(answering(view("processing"))).wait("d", timeout_s=0)


def test_a_streamed_answer_comes_as_typed_events_and_unknown_ones_are_left_out() -> None:
    documents = {
        "documents": [],
        "generator": "extractive",
        "coverage": {"answered": 3, "of": 3},
        "served_by": "index",
    }
    lines = [
        ("documents", json.dumps(documents)),
        ("delta", '{"text": "Ten a "}'),
        ("applause", '{"loud": true}'),
        ("delta", '{"text": "day."}'),
        ("done", msgspec.json.encode(ANSWER).decode()),
    ]
    stream = ": ping\r\n\r\n" + "".join(f"event: {name}\r\ndata: {data}\r\n\r\n" for name, data in lines)
    events = list(client(lambda request: httpx.Response(200, text=stream)).stream_answer("mites"))
    assert [type(event) for event in events] == [AnswerDocuments, AnswerDelta, AnswerDelta, AnswerDone]
    assert "".join(event.text for event in events if isinstance(event, AnswerDelta)) == "Ten a day."
    assert events[-1] == AnswerDone(ANSWER)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        ({"k": 5, "rerank": "judge"}, {"k": 5, "rerank": "judge"}),
        ({"conversation": [Turn("user", "Bees?")]}, {"conversation": [{"role": "user", "content": "Bees?"}]}),
    ],
)
def test_a_question_says_what_it_is_told_and_leaves_the_rest_to_the_gateway(
    given: dict[str, Any], sent: dict[str, Any]
) -> None:
    bodies: list[Any] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        done = f"event: done\ndata: {msgspec.json.encode(ANSWER).decode()}\n\n"
        return httpx.Response(200, text=done) if "stream" in bodies[-1] else answering(ANSWER)(request)

    client(gateway).answer("mites", **given)
    list(client(gateway).stream_answer("mites", **given))
    assert bodies == [{"query": "mites", **sent}, {"query": "mites", **sent, "stream": True}]


def test_a_stream_that_breaks_off_is_an_error() -> None:
    stream = 'event: delta\ndata: {"text": "Ten"}\n\n'
    with pytest.raises(errors.DependencyDown, match="broke"):
        list(client(lambda request: httpx.Response(200, text=stream)).stream_answer("mites"))


def test_a_streamed_question_that_is_refused_raises_before_any_event() -> None:
    with pytest.raises(errors.DependencyDown):
        next(iter(client(problem(503, "dependency_down")).stream_answer("mites")))


def test_changes_are_read_with_the_mark_to_come_back_with() -> None:
    view = DocumentView("d", "indexed", 1, 1, "a.txt", "default", None, None, None, None)
    document = msgspec.json.encode(view).decode()
    events = [("reload", "life-4", "{}"), ("document", None, document), ("mark", "life-5", "{}")]
    events += [("something newer", None, "{}"), ("end", None, "{}")]
    told = [": ping"]
    for name, mark, data in events:
        told += [*([f"id: {mark}"] if mark else []), f"event: {name}", f"data: {data}", ""]
    changes = list(read_changes(told))
    assert [(change.kind, change.mark) for change in changes] == [
        ("reload", "life-4"),
        ("document", "life-4"),
        ("mark", "life-5"),
        ("end", "life-5"),
    ]
    assert changes[1].view == view


def test_a_key_and_several_pictures_are_sent_as_the_gateway_takes_them() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=msgspec.json.encode(RESPONSE))

    with TriremeClient("http://gw", api_key="a-key", transport=httpx.MockTransport(answer)) as client:
        client.search("bees", image=[b"one", b"two"], by_document=True)
    (request,) = seen
    assert request.headers["authorization"] == "Bearer a-key"
    body = json.loads(request.content)
    assert [base64.b64decode(each) for each in body["images"]] == [b"one", b"two"]
    assert body["group_by"] == "document"
