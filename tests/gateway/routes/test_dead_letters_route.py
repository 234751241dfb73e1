"""Dead letters over the whole app: seen, put back with their version, set aside; by operators alone."""

from typing import Any

import httpx
import pytest

from contracts.codec import encode
from contracts.documents import DeadLetter, Delayed, file_added
from contracts.halves import HalfReady
from contracts.items import IndexUpdate
from contracts.topics import DEAD_LETTERS, DOCUMENT_STATUS, EMBEDDINGS, FILE_ADDED
from gateway.settings import GatewaySettings
from tests.gateway.door import WRITE, Door
from tests.gateway.fakes import GENERATION
from tests.gateway.routes.test_documents_route import get, upload
from tests.gateway.routes.test_search_route import assert_problem


async def failed(door: Door, name: str = "a.pdf", stage: str = "text", **fields: Any) -> tuple[str, str]:
    """A document whose stage gave up: ids of document and letter."""
    view = (await upload(door, name=name)).json()
    door.status.stage(view["doc_id"], stage, "failed", cause="corrupt", reason="Damaged.")  # type: ignore[arg-type]
    return view["doc_id"], door.desk.write(letter(view, stage=stage, **fields))


def letter(view: dict[str, Any], **fields: Any) -> DeadLetter:
    uri = f"objects/default/default/{view['source']}"
    kind = {"uri": uri, "etag": "e", "content_type": "application/pdf", "size_bytes": 1, "at_ms": 5}
    values: dict[str, Any] = {
        "tenant": "default",
        "doc_id": view["doc_id"],
        "version": view["version"],
        "stage": "text",
        "cause": "corrupt",
        "reason": "Damaged.",
        "attempt": 1,
        "trace_id": "t",
        "uri": uri,
        "origin_topic": FILE_ADDED,
        "payload": encode(file_added(view["source"], **kind)),  # type: ignore[arg-type]
        "at_ms": 1000,
    }
    return DeadLetter(**values | fields)


async def act(door: Door, method: str, path: str, **more: Any) -> httpx.Response:
    async with door.client() as client:
        return await client.request(
            method, f"/v1/dead-letters{path}", headers=WRITE | more.pop("headers", {}), **more
        )


async def test_letters_are_listed_newest_first_and_by_what_is_asked_for() -> None:
    door = Door()
    first, second = (
        await failed(door, "a.pdf"),
        await failed(door, "b.pdf", "image", at_ms=2000, cause="encrypted"),
    )
    body = (await get(door, "/v1/dead-letters")).json()
    assert [one["id"] for one in body["letters"]] == [second[1], first[1]]
    assert (body["letters"][1]["source"], body["letters"][1]["cause"], body["complete"]) == (
        "a.pdf",
        "corrupt",
        True,
    )
    for query, found in {
        "stage=image": [second[1]],
        "cause=corrupt": [first[1]],
        f"document={second[0]}": [second[1]],
        "since_ms=1500": [second[1]],
        "until_ms=1500": [first[1]],
        "state=requeued": [],
    }.items():
        assert [one["id"] for one in (await get(door, f"/v1/dead-letters?{query}")).json()["letters"]] == found, (
            query
        )
    page = (await get(door, "/v1/dead-letters?limit=1")).json()
    rest = (await get(door, f"/v1/dead-letters?limit=1&cursor={page['next_cursor']}")).json()
    assert [one["id"] for one in page["letters"] + rest["letters"]] == [second[1], first[1]]


async def test_a_letter_is_shown_with_the_record_that_was_given_up() -> None:
    door = Door()
    doc_id, letter_id = await failed(door)
    body = (await get(door, f"/v1/dead-letters/{letter_id}")).json()
    assert (body["record"]["doc_id"], body["record"]["source_key"], body["state"]) == (doc_id, "a.pdf", "open")
    for unknown in ("7-0", "0-99", "nothing", "0-1-2"):
        assert_problem(await get(door, f"/v1/dead-letters/{unknown}"), 404, "not_found")


async def test_requeued_work_keeps_its_version_and_the_status_says_so_before_the_work_begins() -> None:
    door = Door()
    doc_id, letter_id = await failed(door)
    version = (await get(door, f"/v1/documents/{doc_id}")).json()["version"]
    response = await act(door, "POST", f"/{letter_id}/requeue?note=disk+replaced")
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["ended_by"], response.json()["note"]) == (
        "requeued",
        "local",
        "disk replaced",
    )
    assert [topic for topic, _, _ in door.desk.sent] == [DOCUMENT_STATUS, "retry.text.10s", DEAD_LETTERS]
    work = door.desk.sent[1][1]
    assert isinstance(work, Delayed)
    assert (work.version, work.attempt, work.origin_topic) == (version, 0, FILE_ADDED)
    view = (await get(door, f"/v1/documents/{doc_id}")).json()
    assert (view["state"], view["reason"]) == ("processing", "An operator put it back into the queue.")


async def test_requeueing_again_changes_nothing() -> None:
    door = Door()
    _, letter_id = await failed(door)
    once = (await act(door, "POST", f"/{letter_id}/requeue")).json()
    sent = len(door.desk.sent)
    assert (await act(door, "POST", f"/{letter_id}/requeue")).json() == once
    assert len(door.desk.sent) == sent
    assert_problem(await act(door, "DELETE", f"/{letter_id}"), 409, "conflict")


async def test_what_a_newer_version_has_overtaken_is_not_requeued() -> None:
    door = Door()
    _, letter_id = await failed(door)
    await upload(door, b"%PDF-1.7 other bytes")
    assert_problem(await act(door, "POST", f"/{letter_id}/requeue"), 409, "conflict")
    assert door.desk.sent == []


async def test_a_requeue_that_breaks_off_can_be_made_again() -> None:
    door = Door()
    _, letter_id = await failed(door)
    door.desk.up = False
    assert_problem(await act(door, "POST", f"/{letter_id}/requeue"), 503, "dependency_down")
    door.desk.up = True
    assert (await act(door, "POST", f"/{letter_id}/requeue")).json()["state"] == "requeued"


async def test_a_discarded_letter_is_recorded_and_seen_in_the_document() -> None:
    door = Door()
    doc_id, letter_id = await failed(door)
    door.status.stage(doc_id, "image", count=0)
    assert (await act(door, "DELETE", f"/{letter_id}?note=known")).json()["state"] == "discarded"
    view = (await get(door, f"/v1/documents/{doc_id}")).json()
    assert (view["state"], view["reason"]) == ("failed", "Damaged. An operator has set it aside: known")
    assert (await act(door, "DELETE", f"/{letter_id}")).json()["note"] == "known"
    assert_problem(await act(door, "POST", f"/{letter_id}/requeue"), 409, "conflict")
    assert [one["id"] for one in (await get(door, "/v1/dead-letters?state=open")).json()["letters"]] == []


async def test_a_stage_that_has_gone_on_since_is_not_spoken_for() -> None:
    door = Door()
    doc_id, letter_id = await failed(door)
    door.status.stage(doc_id, "text", "done", count=2)
    await act(door, "DELETE", f"/{letter_id}")
    assert [topic for topic, _, _ in door.desk.sent] == [DEAD_LETTERS]


async def test_joining_is_done_again_with_the_version_of_the_half() -> None:
    door = Door()
    view = (await upload(door)).json()
    added = file_added(view["source"], uri="objects/x", etag="e", content_type="x", size_bytes=1, at_ms=5)
    half = HalfReady(
        tenant="default",
        doc_id=view["doc_id"],
        version=view["version"],
        space_id="s",
        half="text",
        key="k",
        sha256="0",
        n=1,
        document=added,
    )
    letter_id = door.desk.write(
        letter(view, stage="join", origin_topic=EMBEDDINGS, payload=encode(half), version=0)
    )
    assert (await act(door, "POST", f"/{letter_id}/requeue")).status_code == 200
    work = door.desk.sent[0][1]
    assert isinstance(work, Delayed)
    assert (work.stage, work.version) == ("join", view["version"])


async def test_an_update_that_a_shard_refused_goes_back_to_that_shard() -> None:
    door = Door()
    view = (await upload(door)).json()
    update = IndexUpdate(
        tenant="default",
        op="delete",
        doc_id=view["doc_id"],
        version=view["version"],
        revision=1,
        generation=GENERATION.name,
        space_id=GENERATION.space_id,
    )
    letter_id = door.desk.write(letter(view, stage="shard", payload=encode(update)))
    assert_problem(await act(door, "POST", f"/{letter_id}/requeue"), 409, "conflict")
    door.desk.known[GENERATION.name] = GENERATION
    assert (await act(door, "POST", f"/{letter_id}/requeue")).status_code == 200
    topic, message, partition = door.desk.sent[0]
    assert (topic, message) == (f"index_updates.{GENERATION.name}", update)
    assert partition is not None
    assert 0 <= partition < GENERATION.n_shards


@pytest.mark.parametrize("fields", [{"payload": b"{half a record"}, {"stage": "shard", "payload": b""}])
async def test_what_cannot_be_read_is_not_put_back(fields: dict[str, Any]) -> None:
    door = Door()
    view = (await upload(door)).json()
    letter_id = door.desk.write(letter(view, **fields))
    assert_problem(await act(door, "POST", f"/{letter_id}/requeue"), 409, "conflict")
    assert (await act(door, "DELETE", f"/{letter_id}")).json()["state"] == "discarded"


async def test_with_keys_only_an_operators_key_opens_dead_letters() -> None:
    plain, operator = "a-key-that-is-long-enough", "an-operators-key-of-some-length"
    door = Door(GatewaySettings(api_keys=(plain,), operator_keys=(operator,)))
    assert (await act(door, "GET", "")).status_code == 401
    refused = await act(door, "GET", "", headers={"authorization": f"Bearer {plain}"})
    assert_problem(refused, 403, "forbidden")
    assert (await act(door, "GET", "", headers={"authorization": f"Bearer {operator}"})).status_code == 200
