"""POST /v1/search over the whole app, with fakes behind the flow."""

import base64
import io
import json
from contextlib import ExitStack

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contracts.errors import DependencyDown
from contracts.trace import parse_traceparent
from tests.gateway.door import WRITE, Door
from tests.gateway.fakes import search_everything
from tests.gateway.searching import corpus

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def png(width: int = 40, height: int = 30, colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


async def post(door: Door, body: object, **headers: str) -> httpx.Response:
    async with door.client() as client:
        return await client.post("/v1/search", json=body, headers=headers)


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = response.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["trace_id"] == response.headers["x-trace-id"]
    detail = str(problem["detail"])
    assert detail[0].isupper() or ":" in detail
    assert detail.endswith(".")
    return problem


async def test_words_are_answered_with_hits_coverage_timings_and_trace() -> None:
    response = await post(Door(), {"query": "oil for pumps", "k": 4})
    body = response.json()
    expected = search_everything(corpus(), "oil for pumps", 4)
    assert [hit["doc_id"] for hit in body["hits"]] == [hit.doc_id for hit in expected]
    assert body["coverage"] == {"answered": 3, "of": 3}
    assert body["served_by"] == "index"
    assert body["variant"] == "full"
    assert {"encode", "kafka", "faiss", "merge", "cache", "total"} <= set(body["timings_ms"])
    assert body["trace_id"] == response.headers["x-trace-id"]


async def test_the_short_address_answers_too() -> None:
    async with Door().client() as client:
        response = await client.post("/search", json={"query": "bees"})
    assert response.json()["hits"]


async def test_a_trace_that_the_caller_began_is_continued() -> None:
    response = await post(Door(), {"query": "bees"}, traceparent=TRACEPARENT)
    parent = parse_traceparent(TRACEPARENT)
    assert parent is not None
    assert response.json()["trace_id"] == response.headers["x-trace-id"] == parent.trace_id


async def test_a_picture_in_base64_and_the_same_file_in_a_form_find_the_same() -> None:
    door = Door()
    in_json = await post(door, {"image": base64.b64encode(png()).decode(), "k": 3})
    as_url = await post(door, {"image": "data:image/png;base64," + base64.b64encode(png()).decode(), "k": 3})
    async with door.client() as client:
        in_form = await client.post(
            "/v1/search", files={"image": ("a.png", png())}, data={"k": "3"}, headers=WRITE
        )
    assert in_json.status_code == as_url.status_code == in_form.status_code == 200
    assert in_json.json()["hits"] == as_url.json()["hits"] == in_form.json()["hits"]
    assert in_json.json()["timings_ms"]["decode"] > 0
    # Equal bytes are one question, however they came.
    assert in_form.json()["served_by"] == "cache"


async def test_a_form_carries_words_weights_and_filter_beside_the_picture() -> None:
    door = Door()
    data = {
        "query": "bees",
        "weights": json.dumps({"image_image": 0}),
        "filter": json.dumps({"kinds": ["text"], "collections": ["default"]}),
    }
    async with door.client() as client:
        response = await client.post("/v1/search", files={"image": png()}, data=data, headers=WRITE)
    assert response.status_code == 200, response.text
    [(_, _, request)] = door.search.bus.sent
    assert request.filter.kinds == ("text",)
    assert request.filter.collections == ("default",)
    assert "clip_image" not in door.encoder.calls


async def test_weights_that_are_left_out_have_the_gateways_default() -> None:
    door = Door()
    await post(door, {"query": "bees", "weights": {"text_image": 0}})
    assert door.encoder.calls == ["text"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "empty"),
        ({"query": "   "}, "empty"),
        ({"query": "bees", "k": 0}, "k"),
        ({"query": "bees", "k": 1001}, "k"),
        ({"query": "bees", "colour": "red"}, "colour"),
        ({"query": 7}, "query"),
        ({"query": "bees", "weights": {"text_text": 1e9}}, "weights.text_text"),
        ({"query": "bees", "weights": {"text_text": 0, "text_image": 0}}, "weights"),
        ({"query": "bees", "filter": {"kinds": ["movie"]}}, "filter.kinds"),
        ({"query": "bees", "filter": {"doc_ids": []}}, "filter.doc_ids"),
        ({"query": "bees", "filter": {"added_after_ms": 10**30}}, "filter.added_after_ms"),
        ({"query": "bees", "filter": {"added_before_ms": 2**64 - 1}}, "filter.added_before_ms"),
        ({"image": "???"}, "Base64"),
        ({"images": ["???"]}, "Base64"),
        ({"images": [{"image": "", "weight": 11}]}, "weight"),
        ({"query": "bees", "group_by": "colour"}, "group_by"),
        ({"image": ""}, "0 bytes"),
        ({"image": base64.b64encode(png()[:60]).decode()}, "damaged"),
    ],
)
async def test_a_search_that_cannot_be_carried_out_is_422_and_says_why(body: object, said: str) -> None:
    response = await post(Door(), body)
    assert said in str(assert_problem(response, 422, "invalid_input")["detail"])


async def test_a_body_that_is_no_json_is_422() -> None:
    async with Door().client() as client:
        response = await client.post(
            "/v1/search", content=b'{"query": ', headers={"content-type": "application/json"}
        )
    assert_problem(response, 422, "invalid_input")


@pytest.mark.parametrize("weights", ["[" * 100_000, "1" * 5000, "{", "", '{"text_text": "\\ud800"}'])
async def test_odd_json_in_a_form_is_422(weights: str) -> None:
    async with Door().client() as client:
        files = {"query": (None, "bees"), "weights": (None, weights)}
        response = await client.post("/v1/search", files=files, headers=WRITE)
    assert "weights" in str(assert_problem(response, 422, "invalid_input")["detail"])


@pytest.mark.parametrize("body", [{f"field-{n}": 1 for n in range(10_000)}, {"k" * 500_000: 1}])
async def test_an_error_stays_small_however_many_fields_are_wrong(body: dict[str, int]) -> None:
    response = await post(Door(), {"query": "bees", **body})
    assert_problem(response, 422, "invalid_input")
    assert len(response.content) < 4_000


async def test_a_query_of_a_megabyte_is_413_with_the_limit_in_the_sentence() -> None:
    problem = assert_problem(await post(Door(), {"query": "a" * 2**20}), 413, "payload_too_large")
    assert "1,048,576 characters" in str(problem["detail"])
    assert "2,000" in str(problem["detail"])


async def test_a_picture_of_60_megapixels_is_413() -> None:
    door = Door()
    async with door.client() as client:
        response = await client.post("/v1/search", files={"image": png(10_000, 6_000)}, headers=WRITE, timeout=60)
    assert "60.0 megapixels" in str(assert_problem(response, 413, "payload_too_large")["detail"])


async def test_an_empty_picture_file_is_422() -> None:
    async with Door().client() as client:
        response = await client.post("/v1/search", files={"image": ("a.png", b"")}, headers=WRITE)
    assert "0 bytes" in str(assert_problem(response, 422, "invalid_input")["detail"])


async def test_a_file_that_is_no_picture_is_415() -> None:
    async with Door().client() as client:
        response = await client.post("/v1/search", files={"image": ("a.png", b"%PDF-1.7 ...")}, headers=WRITE)
    assert_problem(response, 415, "unsupported_media")


async def test_a_body_of_another_kind_is_415() -> None:
    async with Door().client() as client:
        response = await client.post(
            "/v1/search", content=b"<query/>", headers={"content-type": "application/xml"} | WRITE
        )
    assert_problem(response, 415, "unsupported_media")


async def test_with_kafka_away_the_answer_is_503_with_retry_after() -> None:
    door = Door()
    door.search.bus.up = False
    response = await post(door, {"query": "bees"})
    problem = assert_problem(response, 503, "dependency_down")
    assert int(response.headers["retry-after"]) >= 1
    assert "kafka" in str(problem["detail"])


async def test_with_one_encoder_away_the_other_half_answers() -> None:
    door = Door()
    door.encoder.failing["clip_text"] = DependencyDown("triton")
    body = (await post(door, {"query": "bees"})).json()
    assert body["degraded"] == ["clip_text"]
    assert body["hits"]


async def test_more_searches_than_places_are_429_with_retry_after() -> None:
    door = Door()
    with ExitStack() as under_way:
        for _ in range(door.search.admission.limit):
            under_way.enter_context(door.search.admission.admitted(door.clock.monotonic_s()))
        response = await post(door, {"query": "bees"})
    assert_problem(response, 429, "overloaded")
    assert response.headers["retry-after"] == "1"


async def test_an_error_that_nobody_expected_is_500_without_its_own_words() -> None:
    door = Door()
    door.encoder.failing["text"] = ValueError("secret detail")  # type: ignore[assignment]
    response = await post(door, {"query": "bees", "weights": {"text_image": 0}})
    assert_problem(response, 500, "internal")
    assert "secret" not in response.text


async def test_searches_are_counted_by_what_served_them() -> None:
    door = Door()
    async with door.client() as client:
        await client.post("/v1/search", json={"query": "bees"})
        await client.post("/v1/search", json={"query": "bees"})
        metrics = (await client.get("/metrics")).text
    assert 'trireme_http_requests_total{method="POST",route="/v1/search",status="200"} 2.0' in metrics


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("query", "image", "k", "weights", "filter", "tier", "text_text", "kinds", "added_after_ms")


@settings(max_examples=150, deadline=None)
@given(anything | st.dictionaries(st.sampled_from(NAMES), anything, max_size=6))
async def test_whatever_is_sent_the_answer_is_a_result_or_a_problem_that_is_the_callers(body: object) -> None:
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    async with Door().client() as client:
        response = await client.post("/v1/search", content=content, headers={"content-type": "application/json"})
    assert response.status_code in {200, 413, 415, 422}, response.text
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"]


async def test_several_pictures_may_be_sent_in_json_or_as_files_of_a_form() -> None:
    door = Door()
    one, two = (base64.b64encode(png(colour=colour)).decode() for colour in ("red", "blue"))
    in_json = await post(door, {"images": [one, {"image": two, "weight": 1}]})
    async with door.client() as client:
        files = [("image", ("a.png", png(colour="red"))), ("image", ("b.png", png(colour="blue")))]
        in_form = await client.post("/v1/search", files=files, headers=WRITE)
        too_many = await client.post("/v1/search", files=[("image", ("a.png", png()))] * 9, headers=WRITE)
    assert in_json.json()["hits"] == in_form.json()["hits"]
    assert in_form.json()["served_by"] == "cache"
    assert too_many.status_code == 422


async def test_a_batch_answers_each_search_or_says_what_is_wrong_with_it() -> None:
    door = Door()
    searches = [{"query": "bees dance"}, {"query": " "}, {"query": "violin", "group_by": "document", "k": 2}]
    async with door.client() as client:
        response = await client.post("/v1/search/batch", json={"searches": searches})
        alone = await client.post("/v1/search", json=searches[0])
        too_many = await client.post("/v1/search/batch", json={"searches": [{"query": "x"}] * 33})
    results = response.json()["results"]
    assert [result["status"] for result in results] == [200, 422, 200]
    assert results[0]["response"]["hits"] == alone.json()["hits"]
    assert "empty" in results[1]["problem"]["detail"]
    assert len({hit["doc_id"] for hit in results[2]["response"]["hits"]}) == 2
    assert_problem(too_many, 422, "invalid_input")
