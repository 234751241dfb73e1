"""Experiments and feedback over HTTP, with the real book behind a log in memory."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.settings import GatewaySettings
from tests.gateway.door import Door

RANKINGS = {
    "variants": [{"name": "score"}, {"name": "spread", "changes": {"reranker": "spread"}}],
    "metric": "clicks",
    "window_s": 1,
}


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["detail"])


async def started(client: httpx.AsyncClient, name: str = "rankings", **changes: Any) -> None:
    assert (await client.put(f"/v1/experiments/{name}", json=RANKINGS | changes)).status_code == 200
    response = await client.post(f"/v1/experiments/{name}/start", json={"why": "to see"})
    assert response.status_code == 200, response.text


def test_an_experiment_from_its_definition_to_its_end() -> None:
    async def scenario() -> None:
        async with Door().client() as client:
            await started(client)
            for n in range(20):
                answer = await client.post("/v1/search", json={"query": "oil"}, headers={"X-User-Id": f"u{n}"})
                [part] = answer.json()["experiments"]
                assert answer.headers["X-Experiment"] == f"rankings={part['variant']}"
            shown = (await client.get("/v1/experiments/rankings")).json()
            assert (shown["state"], sum(arm["impressions"] for arm in shown["variants"])) == ("running", 20)
            assert sum(shown["ratio"]["counts"]) == 20
            stopped = (await client.post("/v1/experiments/rankings/stop", json={"why": "seen"})).json()
            assert [change["action"] for change in stopped["history"]] == ["put", "start", "stop"]
            assert stopped["history"][-1]["why"] == "seen"
            answer = await client.post("/v1/search", json={"query": "oil"}, headers={"X-User-Id": "u1"})
            assert answer.json()["experiments"] == []
            listed = (await client.get("/v1/experiments")).json()["experiments"]
            assert [one["name"] for one in listed] == ["rankings"]

    asyncio.run(scenario())


def test_feedback_counts_once() -> None:
    async def scenario() -> None:
        door = Door()
        async with door.client() as client:
            await started(client)
            answer = await client.post("/v1/search", json={"query": "oil"}, headers={"X-User-Id": "ann"})
            impression = answer.json()["impression_id"]
            click = {"impression_id": impression, "kind": "click", "rank": 1}
            first = await client.post("/v1/feedback", json=click)
            assert (first.status_code, first.json()) == (202, {"experiments": 1})
            problem(await client.post("/v1/feedback", json=click), 409)
            assert (await client.post("/v1/feedback", json=click | {"rank": 2})).status_code == 202
            said = {"impression_id": impression, "kind": "relevant", "positive": False}
            assert (await client.post("/v1/feedback", json=said)).status_code == 202
            problem(await client.post("/v1/feedback", json=said | {"positive": True}), 409)
            arms = (await client.get("/v1/experiments/rankings")).json()["variants"]
            assert sum(arm["clicks"] for arm in arms) == 2
            assert sum(arm["no"] for arm in arms) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "body",
    [
        {"impression_id": "made.up", "kind": "click", "rank": 1},
        {"impression_id": "", "kind": "click", "rank": 1},
        {"kind": "click"},
    ],
)
def test_feedback_on_nothing_of_ours_is_refused(body: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with Door().client() as client:
            problem(await client.post("/v1/feedback", json=body), 422)

    asyncio.run(scenario())


def test_a_click_is_on_a_hit() -> None:
    async def scenario() -> None:
        async with Door().client() as client:
            found = (await client.post("/v1/search", json={"query": "oil", "k": 2})).json()
            for rank in (None, 0, 3):
                body = {"impression_id": found["impression_id"], "kind": "click", "rank": rank}
                problem(await client.post("/v1/feedback", json=body), 422)

    asyncio.run(scenario())


def test_feedback_is_not_taken_when_it_could_count_twice() -> None:
    async def scenario() -> None:
        door = Door()
        door.once.up = False
        async with door.client() as client:
            found = (await client.post("/v1/search", json={"query": "oil"})).json()
            body = {"impression_id": found["impression_id"], "kind": "relevant"}
            problem(await client.post("/v1/feedback", json=body), 503)

    asyncio.run(scenario())


def test_a_click_in_an_interleaved_list_counts_for_who_brought_the_hit() -> None:
    async def scenario() -> None:
        async with Door().client() as client:
            await started(client, kind="interleave")
            for n in range(8):
                found = await client.post("/v1/search", json={"query": "oil"}, headers={"X-User-Id": f"u{n}"})
                for rank in (1, 2):
                    body = {"impression_id": found.json()["impression_id"], "kind": "click", "rank": rank}
                    assert (await client.post("/v1/feedback", json=body)).status_code == 202
            arms = (await client.get("/v1/experiments/rankings")).json()["variants"]
            # The first two places are one of each team.
            assert [arm["clicks"] for arm in arms] == [8, 8]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "changes",
    [
        {"variants": [{"name": "one"}]},
        {"variants": [{"name": "one"}, {"name": "two", "changes": {"rerank": "spread"}}]},
        {"variants": [{"name": "one"}, {"name": "two"}]},
        {"variants": [{"name": "one"}, {"name": "two", "weight": -1, "changes": {"reranker": "spread"}}]},
        {"traffic": 0},
        {"alpha": 1},
        {"guardrails": [{"measure": "beauty"}]},
        {"kind": "shadow", "guardrails": [{"measure": "clicks"}]},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_definition_that_does_not_fit_is_refused_with_a_sentence(changes: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with Door().client() as client:
            assert problem(await client.put("/v1/experiments/rankings", json=RANKINGS | changes), 422)

    asyncio.run(scenario())


def test_what_is_not_there_cannot_be_tried() -> None:
    async def scenario() -> None:
        async with Door().client() as client:
            towers = [{"name": "full"}, {"name": "small", "changes": {"encoder": "distilled"}}]
            await client.put("/v1/experiments/towers", json={"variants": towers})
            assert "distilled" in problem(await client.post("/v1/experiments/towers/start", json={}), 422)
            index = [{"name": "now"}, {"name": "next", "changes": {"generation": "next"}}]
            await client.put("/v1/experiments/index", json={"variants": index})
            problem(await client.post("/v1/experiments/index/start", json={}), 503)
            problem(await client.post("/v1/experiments/none/start", json={}), 404)
            problem(await client.get("/v1/experiments/none"), 404)
            problem(await client.post("/v1/experiments/index/stop", json={}), 409)

    asyncio.run(scenario())


@pytest.mark.parametrize("header", ["rankings", "=spread", "rankings=", "rankings=none", "other=score", "a=b,"])
def test_a_header_that_names_no_variant_is_refused(header: str) -> None:
    async def scenario() -> None:
        async with Door().client() as client:
            await started(client)
            problem(await client.post("/v1/search", json={"query": "oil"}, headers={"X-Experiment": header}), 422)

    asyncio.run(scenario())


def test_only_operators_see_and_change_experiments() -> None:
    async def scenario() -> None:
        settings = GatewaySettings(api_keys=("a" * 20,), operator_keys=("b" * 20,))
        async with Door(settings).client() as client:
            for key, status in (("a" * 20, 403), ("b" * 20, 200)):
                answer = await client.get("/v1/experiments", headers={"Authorization": f"Bearer {key}"})
                assert answer.status_code == status

    asyncio.run(scenario())
