"""POST /v1/answer over the whole app, with fakes behind the flow."""

import base64
import json

import httpx
import pytest

from contracts.errors import DependencyDown
from tests.gateway.door import WRITE, Door
from tests.gateway.echo_llama import EchoLlama, messages_of
from tests.gateway.routes.test_search_route import assert_problem, png

QUESTION = "a violin has how many strings"


async def post(door: Door, body: dict[str, object], **headers: str) -> httpx.Response:
    async with door.client() as client:
        return await client.post("/v1/answer", json=body, headers=headers)


def events_of(response: httpx.Response) -> list[tuple[str, dict[str, object]]]:
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


@pytest.mark.parametrize("field", ["question", "query"])
async def test_an_answer_quotes_its_source_and_cites_it(field: str) -> None:
    response = await post(Door(), {field: QUESTION, "k": 4})
    assert response.status_code == 200
    body = response.json()
    assert (body["generator"], body["found"], body["degraded"], body["failed_stage"]) == (
        "extractive",
        True,
        False,
        None,
    )
    citation = body["citations"][0]
    source = body["documents"][citation["n"] - 1]
    assert (source["rank"], source["doc_id"]) == (citation["n"], citation["doc_id"])
    assert citation["quote"] in source["text"]
    assert citation["quote"] in body["answer"]
    assert f"[{citation['n']}]" in body["answer"]
    assert len(body["documents"]) == 4
    assert body["coverage"] == {"answered": 3, "of": 3}
    assert body["trace_id"] == response.headers["x-trace-id"]
    assert {"encode", "search", "generate", "total"} <= body["timings_ms"].keys()


@pytest.mark.parametrize(
    ("body", "accept"),
    [({"question": QUESTION}, "text/event-stream"), ({"question": QUESTION, "stream": True}, "application/json")],
)
async def test_a_stream_brings_documents_then_text_then_citations_then_the_whole(
    body: dict[str, object], accept: str
) -> None:
    response = await post(Door(), body, accept=accept)
    events = events_of(response)
    names = [name for name, _ in events]
    assert names[0] == "documents"
    assert set(names[1:-2]) == {"delta"}
    assert names[-2:] == ["citations", "done"]
    assert all(data["trace_id"] == response.headers["x-trace-id"] for _, data in events)
    documents, done = events[0][1], events[-1][1]
    assert documents["documents"] == done["documents"]
    assert (documents["served_by"], documents["generator"]) == ("index", "extractive")
    assert "".join(str(data["text"]) for name, data in events if name == "delta") == done["answer"]
    assert events[-2][1]["citations"] == done["citations"]


async def test_whole_and_streamed_answers_are_the_same() -> None:
    door = Door()
    whole = (await post(door, {"question": QUESTION})).json()
    _, streamed = events_of(await post(door, {"question": QUESTION, "stream": True}))[-1]
    for field in ("answer", "citations", "documents", "found", "generator"):
        assert streamed[field] == whole[field]


async def test_without_an_answer_in_the_documents_found_is_false() -> None:
    body = (await post(Door(), {"question": "quarterly pension reform"})).json()
    assert body["found"] is False
    assert body["citations"] == []
    assert body["answer"] == "The documents do not answer this."


async def test_a_picture_may_come_with_the_question_but_not_without_one() -> None:
    image = base64.b64encode(png()).decode()
    assert (await post(Door(), {"question": QUESTION, "image": image})).status_code == 200
    assert_problem(await post(Door(), {"image": image}), 422, "invalid_input")


async def test_an_encoder_that_is_gone_when_the_answer_is_written_leaves_the_documents() -> None:
    door = Door()
    found = (await post(door, {"question": QUESTION})).json()["documents"]
    door.encoder.failing["text"] = DependencyDown("triton")
    body = (await post(door, {"question": QUESTION})).json()  # The search is answered by the cache.
    assert (body["degraded"], body["failed_stage"], body["found"]) == (True, "generate", False)
    assert [hit["item_id"] for hit in body["documents"]] == [hit["item_id"] for hit in found]


async def test_a_search_that_fails_is_a_problem_and_not_a_broken_stream() -> None:
    door = Door()
    door.search.bus.up = False
    response = await post(door, {"question": QUESTION, "stream": True})
    assert_problem(response, 503, "dependency_down")
    assert "retry-after" in response.headers


@pytest.mark.parametrize("body", [{}, {"question": " "}, {"question": "x", "k": 0}, {"question": "x", "other": 1}])
async def test_a_question_that_cannot_be_is_refused(body: dict[str, object]) -> None:
    assert_problem(await post(Door(), body), 422, "invalid_input")


async def test_a_question_of_a_megabyte_is_refused() -> None:
    assert_problem(await post(Door(), {"question": "why " * 250_000}), 413, "payload_too_large")


async def test_a_judge_without_a_language_model_is_a_problem_that_names_the_field() -> None:
    problem = await post(Door(), {"question": QUESTION, "rerank": "judge"})
    assert_problem(problem, 422, "invalid_input")
    assert "language model" in problem.json()["detail"]
    assert_problem(await post(Door(), {"question": QUESTION, "rerank": "coin"}), 422, "invalid_input")


async def test_a_judge_that_says_something_else_leaves_the_order_of_the_scores() -> None:
    door = Door(models=EchoLlama())
    body = (await post(door, {"question": QUESTION, "rerank": "judge"})).json()
    judge, writer = door.models.asked  # type: ignore[attr-defined]
    assert "Untrusted passages:" in messages_of(judge)[-1]["content"]
    assert messages_of(writer)[-1]["content"].startswith("Passages:")
    assert (body["generator"], body["reranked_by"]) == ("llama", "score")
    counted = door.metrics.registry.get_sample_value("trireme_answer_judgements_total", {"outcome": "unreadable"})
    assert counted == 1


BEFORE = [{"role": "user", "content": "What is a violin?"}, {"role": "assistant", "content": "An instrument."}]


async def test_a_follow_up_says_what_was_searched_for_with_a_language_model_and_without() -> None:
    door = Door(models=EchoLlama(most_words=50))
    body = {"question": "and of its strings", "conversation": BEFORE}
    events = events_of(await post(door, body | {"stream": True}))
    condenser = messages_of(door.models.asked[0])  # type: ignore[attr-defined]
    assert "Person: What is a violin?\nAssistant: An instrument.\n" in condenser[-1]["content"]
    # An echo of the whole prompt is one line, hence a question.
    assert str(events[0][1]["searched_for"]).endswith("The question on its own:")
    assert events[0][1]["searched_for"] == events[-1][1]["searched_for"]
    assert door.metrics.registry.get_sample_value("trireme_answer_follow_ups_total", {"outcome": "rewritten"}) == 1
    assert (await post(Door(), body)).json()["searched_for"] == "and of its strings"


@pytest.mark.parametrize(
    "conversation",
    [[{"role": "system", "content": "x"}], [{"role": "user"}], "What is a violin?", [BEFORE[0]] * 201],
)
async def test_a_conversation_that_cannot_be_is_refused(conversation: object) -> None:
    assert_problem(await post(Door(), {"question": QUESTION, "conversation": conversation}), 422, "invalid_input")


async def test_a_conversation_that_is_too_long_is_refused_with_its_length() -> None:
    long = [{"role": "user", "content": "x" * 120_000}] * 2
    problem = await post(Door(), {"question": QUESTION, "conversation": long})
    assert_problem(problem, 413, "payload_too_large")
    assert "240,000" in problem.json()["detail"]


async def test_a_form_brings_its_conversation_as_json() -> None:
    async with Door().client() as client:
        sent = {"question": QUESTION, "conversation": json.dumps(BEFORE)}
        response = await client.post("/v1/answer", data=sent, files={"image": png()}, headers=WRITE)
        assert response.status_code == 200
        refused = await client.post(
            "/v1/answer", data=sent | {"conversation": "{"}, files={"image": png()}, headers=WRITE
        )
    assert_problem(refused, 422, "invalid_input")
