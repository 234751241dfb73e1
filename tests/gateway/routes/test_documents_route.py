"""Documents over the whole app, with fakes behind the flow."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import pytest

from contracts.api import DocumentView
from contracts.ids import document_id
from gateway.flows.document_changes import WantedChanges
from gateway.settings import GatewaySettings
from tests.gateway.door import WRITE, Door
from tests.gateway.routes.test_search_route import assert_problem
from tests.gateway.virtual_time import run

PDF = b"%PDF-1.7 some bytes"


async def upload(
    door: Door, data: bytes = PDF, name: str = "a.pdf", *, query: str = "", **fields: str
) -> httpx.Response:
    async with door.client() as client:
        files = {"file": (name, data, "application/octet-stream")}
        return await client.post(f"/v1/documents{query}", files=files, data=fields, headers=WRITE)


async def get(door: Door, path: str) -> httpx.Response:
    async with door.client() as client:
        return await client.get(path)


async def test_an_upload_answers_202_with_id_and_state() -> None:
    response = await upload(Door())
    assert response.status_code == 202
    body = response.json()
    assert (body["state"], body["source"], body["trace_id"]) == (
        "processing",
        "a.pdf",
        response.headers["x-trace-id"],
    )
    assert body["doc_id"] == document_id("default", "default", "a.pdf")


async def test_collection_and_name_can_be_given() -> None:
    body = (await upload(Door(), collection="manuals", source_key="pumps/p1.pdf")).json()
    assert body["doc_id"] == document_id("default", "manuals", "pumps/p1.pdf")


async def test_folders_in_a_file_s_own_name_are_left_out() -> None:
    body = (await upload(Door(), name="C:\\Users\\me\\a.pdf")).json()
    assert body["source"] == "a.pdf"


@pytest.mark.parametrize(
    ("data", "name", "status", "code"),
    [
        (b"", "a.pdf", 422, "invalid_input"),
        (b"MZ\x00\x01\x02", "a.exe", 415, "unsupported_media"),
        (PDF, "a.png", 415, "unsupported_media"),
        (PDF, "..", 422, "invalid_input"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_a_sentence(
    data: bytes, name: str, status: int, code: str
) -> None:
    assert_problem(await upload(Door(), data, name), status, code)


async def test_a_missing_file_is_named() -> None:
    door = Door()
    async with door.client() as client:
        response = await client.post("/v1/documents", data={"collection": "x"}, headers=WRITE)
    assert "'file'" in str(assert_problem(response, 422, "invalid_input")["detail"])


async def test_a_file_over_the_limit_is_refused() -> None:
    door = Door(GatewaySettings(max_upload_bytes=1000))
    assert_problem(await upload(door, PDF + b"x" * 2000), 413, "payload_too_large")
    assert door.store.objects == {}


async def test_a_request_whose_answer_was_lost_can_be_sent_again() -> None:
    door = Door()
    first, second = await upload(door), await upload(door)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["version"] == second.json()["version"]
    assert second.json()["sha256"] == hashlib.sha256(PDF).hexdigest()


async def test_several_files_are_answered_as_a_list_in_their_order() -> None:
    door = Door()
    files = [("file", (f"{n}.pdf", PDF + bytes([n]), "text/html")) for n in range(3)]
    async with door.client() as client:
        response = await client.post("/v1/documents", files=files, data={"collection": "c"}, headers=WRITE)
    assert response.status_code == 202
    assert [view["source"] for view in response.json()["documents"]] == ["0.pdf", "1.pdf", "2.pdf"]
    assert {view["content_type"] for view in response.json()["documents"]} == {"application/pdf"}


async def test_several_files_cannot_have_one_name() -> None:
    files = [("file", (f"{n}.pdf", PDF, "application/pdf")) for n in range(2)]
    async with Door().client() as client:
        response = await client.post("/v1/documents", files=files, data={"source_key": "x"}, headers=WRITE)
    assert_problem(response, 422, "invalid_input")


async def test_too_many_files_are_refused() -> None:
    files = [("file", (f"{n}.pdf", PDF, "application/pdf")) for n in range(33)]
    async with Door().client() as client:
        assert_problem(await client.post("/v1/documents", files=files, headers=WRITE), 422, "invalid_input")


async def test_fields_may_come_after_the_file() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="blob"\r\n\r\n' + PDF + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="collection"\r\n\r\nmanuals\r\n'
        b'--b\r\nContent-Disposition: form-data; name="source_key"\r\n\r\np/a.pdf\r\n--b--\r\n'
    )
    headers = WRITE | {"content-type": "multipart/form-data; boundary=b"}
    async with Door().client() as client:
        response = await client.post("/v1/documents", content=body, headers=headers)
    assert response.json()["doc_id"] == document_id("default", "manuals", "p/a.pdf")


async def test_a_kind_that_is_not_read_is_refused_before_the_rest_of_it_is_sent() -> None:
    sent = 0

    async def program() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b"--b\r\nContent-Disposition: form-data; name=file; filename=a.bin\r\n\r\n\x7fELF"
        while sent < 1000:
            sent += 1
            yield bytes(65_536)

    headers = WRITE | {"content-type": "multipart/form-data; boundary=b"}
    async with Door().client() as client:
        response = await client.post("/v1/documents", content=program(), headers=headers)
    assert_problem(response, 415, "unsupported_media")
    assert sent < 10


@pytest.mark.parametrize("body", [b"", b"--b\r\n", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"])
async def test_a_form_that_cannot_be_read_is_refused(body: bytes) -> None:
    headers = WRITE | {"content-type": "multipart/form-data; boundary=b"}
    async with Door().client() as client:
        response = await client.post("/v1/documents", content=body, headers=headers)
    assert_problem(response, 422, "invalid_input")


def test_a_file_that_never_arrives_gives_its_turn_up() -> None:
    async def scenario() -> None:
        app = Door().app()

        async def stalls() -> AsyncIterator[bytes]:
            yield b"--b\r\nContent-Disposition: form-data; name=file; filename=a.txt\r\n\r\nwords"
            await asyncio.Event().wait()

        async with Door().client(app) as client:
            headers = WRITE | {"content-type": "multipart/form-data; boundary=b"}
            stalled = [client.post("/v1/documents", content=stalls(), headers=headers) for _ in range(4)]
            *refused, taken = await asyncio.gather(
                *stalled, client.post("/v1/documents", files={"file": ("b.txt", b"words")}, headers=WRITE)
            )
        for response in refused:
            assert_problem(response, 504, "deadline_exceeded")
        assert taken.status_code == 202

    run(scenario())


async def test_while_kafka_is_away_uploads_and_deletes_are_refused_with_retry_after() -> None:
    door = Door()
    doc_id = (await upload(door)).json()["doc_id"]
    door.door.up = False
    refused = await upload(door, name="b.pdf")
    assert_problem(refused, 503, "dependency_down")
    assert int(refused.headers["retry-after"]) >= 1
    assert list(door.store.objects) == ["objects/default/default/a.pdf"]
    async with door.client() as client:
        assert_problem(await client.delete(f"/v1/documents/{doc_id}"), 503, "dependency_down")


@pytest.mark.parametrize(
    ("stage", "fields", "state"),
    [("shard", {"revision": 1}, "indexed"), ("join", {"state": "failed", "reason": "It is damaged."}, "failed")],
)
async def test_waiting_answers_200_once_the_document_has_come_to_its_end(
    stage: str, fields: dict[str, object], state: str
) -> None:
    door = Door()
    doc_id = document_id("default", "default", "a.pdf")
    waiting = asyncio.create_task(upload(door, query="?wait=indexed"))
    assert await door.status.wait_for("default", doc_id, lambda _: True, timeout_s=5) is not None
    door.status.stage(doc_id, stage, **fields)  # type: ignore[arg-type]
    response = await waiting
    assert (response.status_code, response.json()["state"]) == (200, state)


async def test_waiting_answers_202_with_the_state_when_the_time_is_out() -> None:
    response = await upload(Door(), query="?wait=indexed&wait_s=0.05")
    assert (response.status_code, response.json()["state"]) == (202, "processing")


async def test_a_document_that_fails_while_somebody_waits_is_answered_with_its_reason() -> None:
    door = Door()
    doc_id = document_id("default", "default", "a.pdf")
    waiting = asyncio.create_task(upload(door, query="?wait=indexed&wait_s=60"))
    assert await door.status.wait_for("default", doc_id, lambda _: True, timeout_s=5) is not None
    door.status.stage(doc_id, "join", "failed", cause="no_content", reason="Neither text nor pictures were found.")
    body = (await waiting).json()
    assert (body["state"], body["reason"]) == ("failed", "Neither text nor pictures were found.")


@pytest.mark.parametrize("query", ["?wait=forever", "?wait=indexed&wait_s=0", "?wait=indexed&wait_s=121"])
async def test_waiting_for_something_else_or_without_end_is_refused(query: str) -> None:
    assert_problem(await upload(Door(), query=query), 422, "invalid_input")


async def test_a_document_shows_each_stage_and_where_its_original_is() -> None:
    door = Door()
    doc_id = (await upload(door)).json()["doc_id"]
    door.status.stage(doc_id, "text", count=3)
    door.status.stage(doc_id, "image", "failed", cause="corrupt", reason="The picture is damaged.")
    body = (await get(door, f"/v1/documents/{doc_id}")).json()
    assert [(s["stage"], s["state"], s["count"], s["cause"]) for s in body["stages"]] == [
        ("door", "done", None, None),
        ("text", "done", 3, None),
        ("image", "failed", None, "corrupt"),
    ]
    original = await get(door, body["file_url"])
    assert original.content == PDF
    assert original.headers["content-disposition"] == "attachment; filename*=UTF-8''a.pdf"
    assert original.headers["x-content-type-options"] == "nosniff"


async def test_an_original_cannot_be_had_without_a_signed_link() -> None:
    door = Door()
    body = (await upload(door)).json()
    path = f"/v1/media/files/default/{body['doc_id']}"
    assert_problem(await get(door, path), 422, "invalid_input")
    assert_problem(await get(door, f"{path}?expires=99999999999&signature=forged"), 404, "not_found")


async def test_an_unknown_document_is_not_found() -> None:
    assert_problem(await get(Door(), "/v1/documents/nobody"), 404, "not_found")


async def test_the_list_has_pages_and_can_be_limited_to_a_state() -> None:
    door = Door()
    ids = [(await upload(door, name=f"{n}.pdf")).json()["doc_id"] for n in range(3)]
    door.status.stage(ids[1], "join", "failed", reason="It is damaged.")
    first = (await get(door, "/v1/documents?limit=2")).json()
    second = (await get(door, f"/v1/documents?limit=2&cursor={first['next_cursor']}")).json()
    assert [d["source"] for d in first["documents"] + second["documents"]] == ["2.pdf", "1.pdf", "0.pdf"]
    failed = (await get(door, "/v1/documents?state=failed")).json()["documents"]
    assert [(d["source"], d["reason"]) for d in failed] == [("1.pdf", "It is damaged.")]


@pytest.mark.parametrize("query", ["state=unheard", "limit=0", "limit=1000", "cursor=bm9uZQ=="])
async def test_a_list_that_cannot_be_is_refused(query: str) -> None:
    assert_problem(await get(Door(), f"/v1/documents?{query}"), 422, "invalid_input")


async def test_a_delete_answers_202_and_the_document_is_gone_once_the_shard_says_so() -> None:
    door = Door()
    doc_id = (await upload(door)).json()["doc_id"]
    async with door.client() as client:
        response = await client.delete(f"/v1/documents/{doc_id}")
        assert (response.status_code, response.json()["state"]) == (202, "deleting")
        door.status.stage(doc_id, "shard", op="delete", revision=1)
        assert (await client.get(f"/v1/documents/{doc_id}")).json()["state"] == "deleted"
        assert_problem(await client.delete("/v1/documents/nobody"), 404, "not_found")


async def test_changes_are_streamed_as_they_happen() -> None:
    door = Door()
    services = door.services
    changes = services.documents.changes("default", WantedChanges(), every_s=0)
    first = await anext(changes)
    response = await upload(door)
    view = (await anext(changes)).view
    assert first.kind == "reload"
    assert isinstance(view, DocumentView)
    assert view.doc_id == response.json()["doc_id"]
    await changes.aclose()


async def test_the_stream_of_changes_speaks_server_sent_events() -> None:
    door = Door()
    lines = read_stream(door, "/v1/documents/events")
    assert await anext(lines) == ("reload", {})
    doc_id = (await upload(door)).json()["doc_id"]
    event, document = await anext(lines)
    assert (event, document["doc_id"], document["state"]) == ("document", doc_id, "processing")
    await lines.aclose()


async def read_stream(door: Door, path: str) -> AsyncGenerator[tuple[str, dict[str, object]], None]:
    """Events of an endless stream. httpx waits for a whole body, so the app is called as a server calls it."""
    received: asyncio.Queue[bytes] = asyncio.Queue()
    gone = asyncio.Event()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        received.put_nowait(body)

    call = asyncio.create_task(door.app()(scope, receive, send))  # type: ignore[arg-type]
    waiting = ""
    try:
        while True:
            async with asyncio.timeout(5):
                waiting += (await received.get()).decode().replace("\r\n", "\n")
            while "\n\n" in waiting:
                block, _, waiting = waiting.partition("\n\n")
                fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if "event" in fields:
                    yield fields["event"], json.loads(fields["data"])
    finally:
        gone.set()
        async with asyncio.timeout(5):
            await asyncio.gather(call, return_exceptions=True)
