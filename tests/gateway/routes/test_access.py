"""Every route of the OpenAPI description with no key, a key without the scope, and a foreign tenant's."""

import re
from pathlib import Path

import httpx
import pytest

from gateway.core.access import needed_scope
from gateway.settings import GatewaySettings
from tests.gateway.door import WRITE, Door
from tests.gateway.fakes import text_item
from tests.gateway.keys import bearer, key_file
from tests.gateway.searching import corpus

OPEN = {"/healthz", "/readyz", "/v1/media/{key}", "/v1/media/files/{tenant}/{doc_id}"}
SCOPES = ("read", "write", "operator")


def operations() -> list[tuple[str, str]]:
    """Every method and path that the gateway describes."""
    paths = Door().app().openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@pytest.fixture
def door(tmp_path: Path) -> Door:
    path = key_file(
        tmp_path / "keys.json",
        **{scope: {"scopes": (scope,)} for scope in SCOPES},
        all={"scopes": SCOPES},
        foreign={"scopes": SCOPES, "tenant": "foreign"},
        manuals={"scopes": ("read", "write"), "collections": ("manuals",)},
        staff={"groups": ("staff",), "scopes": ("read", "write")},
        guest={"groups": ("guests",), "scopes": ("read", "write")},
    )
    door = Door(GatewaySettings(api_keys_file=path))
    for item in corpus():
        item.tenant = "default"
    return door


async def ask(door: Door, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    async with door.client() as client:
        return await client.request(method, re.sub(r"{\w+}", "some", path), headers=WRITE | headers)


@pytest.mark.parametrize(("method", "path"), operations())
async def test_a_route_is_closed_without_a_key_and_to_every_scope_but_its_own(
    door: Door, method: str, path: str
) -> None:
    needed = needed_scope(method, re.sub(r"{\w+}", "some", path))
    assert (needed is None) == (path in OPEN), "a new open route is added here on purpose or not at all"
    if needed is None:
        return
    assert (await ask(door, method, path, {})).status_code == 401
    assert (await ask(door, method, path, {"Authorization": "Bearer of-nobody-at-all"})).status_code == 401
    for scope in SCOPES:
        if scope != needed:
            assert (await ask(door, method, path, bearer(scope))).status_code == 403


async def upload(door: Door, who: str, name: str, **fields: str) -> httpx.Response:
    async with door.client() as client:
        return await client.post(
            "/v1/documents", files={"file": (name, b"Words of " + name.encode())}, data=fields,
            headers=WRITE | bearer(who),
        )  # fmt: skip


@pytest.mark.parametrize(("method", "path"), operations())
async def test_a_foreign_key_finds_nothing_of_another_tenant(door: Door, method: str, path: str) -> None:
    doc_id = (await upload(door, "all", "secret.txt")).json()["doc_id"]
    filled = path.replace("{doc_id}", doc_id).replace("{letter_id}", "some").replace("{page}", "1")
    if "{" in filled or path.endswith("/events"):
        return
    query = {"query": "secret words", "messages": [{"role": "user", "content": "secret"}], "model": "trireme"}
    body = {
        "/v1/chat/completions": {"messages": query["messages"], "model": "trireme"},
        "/v1/search": {"query": "bees dance"},
        "/v1/answer": {"query": "bees dance"},
    }.get(path)
    async with door.client() as client:
        response = await client.request(method, filled, json=body, headers=WRITE | bearer("foreign"))
    if "{doc_id}" in path:
        assert response.status_code == 404
    assert response.status_code < 500
    assert doc_id not in response.text
    assert "bees dance to tell" not in response.text


async def test_each_tenant_searches_its_own_documents(door: Door) -> None:
    door.search.bus.items.append(text_item("theirs", "t0", "bees dance in the foreign hive", tenant="foreign"))
    async with door.client() as client:
        mine, theirs = [
            (await client.post("/v1/search", json={"query": "bees dance"}, headers=bearer(who))).json()["hits"]
            for who in ("read", "foreign")
        ]
    assert {hit["doc_id"] for hit in theirs} == {"theirs"}
    assert "theirs" not in {hit["doc_id"] for hit in mine}
    assert theirs[0]["document_url"]


async def test_a_key_of_one_collection_reaches_no_other(door: Door) -> None:
    mine = (await upload(door, "manuals", "a.txt", collection="manuals")).json()["doc_id"]
    other = (await upload(door, "all", "b.txt", collection="letters")).json()["doc_id"]
    assert (await upload(door, "manuals", "c.txt", collection="letters")).status_code == 403
    async with door.client() as client:
        headers = WRITE | bearer("manuals")
        listed = (await client.get("/v1/documents", headers=headers)).json()
        assert [view["doc_id"] for view in listed["documents"]] == [mine]
        assert (await client.get("/v1/documents?collection=letters", headers=headers)).status_code == 403
        assert (await client.get(f"/v1/documents/{other}", headers=headers)).status_code == 404
        assert (await client.get(f"/v1/documents/{other}/pages/1", headers=headers)).status_code == 404
        assert (await client.delete(f"/v1/documents/{other}", headers=headers)).status_code == 404
        found = await client.post("/v1/search", json={"query": "bees"}, headers=headers)
        assert found.json()["hits"] == [], "what is there is in the collection 'default'"
        asked = {"query": "bees", "filter": {"collections": ["default"]}}
        assert (await client.post("/v1/search", json=asked, headers=headers)).status_code == 403


async def test_a_document_with_readers_is_seen_by_their_groups_alone(door: Door) -> None:
    restricted = (await upload(door, "staff", "pay.txt", readers="staff, board")).json()
    assert restricted["readers"] == ["board", "staff"]
    doc_id = restricted["doc_id"]
    door.search.bus.items.append(text_item(doc_id, "t0", "bees dance for the payroll"))
    door.search.bus.items[-1].readers = ("board", "staff")
    async with door.client() as client:
        for who, sees in (("staff", True), ("guest", False), ("all", True)):
            headers = WRITE | bearer(who)
            hits = (await client.post("/v1/search", json={"query": "bees dance"}, headers=headers)).json()["hits"]
            assert (doc_id in {hit["doc_id"] for hit in hits}) == sees
            assert (await client.get(f"/v1/documents/{doc_id}", headers=headers)).status_code == (
                200 if sees else 404
            )
            # Who sees it is told that a text has no pages.
            page = await client.get(f"/v1/documents/{doc_id}/pages/1", headers=headers)
            assert page.status_code == (415 if sees else 404)
            listed = (await client.get("/v1/documents", headers=headers)).json()["documents"]
            assert bool(listed) == sees
    assert (await upload(door, "guest", "pay.txt")).status_code == 403, "who may not see it may not replace it"


async def test_the_same_bytes_for_other_readers_are_a_new_version(door: Door) -> None:
    first = (await upload(door, "all", "pay.txt")).json()
    narrowed = (await upload(door, "all", "pay.txt", readers="staff")).json()
    assert narrowed["version"] > first["version"]
    assert (await upload(door, "all", "pay.txt", readers="staff")).json()["version"] == narrowed["version"]


async def test_a_key_that_is_taken_out_of_the_file_opens_nothing_more(tmp_path: Path) -> None:
    now = [0.0]
    path = key_file(tmp_path / "keys.json", web={}, app={})
    door = Door(GatewaySettings(api_keys_file=path))
    door.clock = type(door.clock)(lambda: now[0], door.clock.unix_s)
    door.services.clock = door.clock
    app = door.app()
    async with door.client(app) as client:
        assert (await client.get("/v1/models", headers=bearer("web"))).status_code == 200
        key_file(tmp_path / "new.json", app={}).replace(path)
        now[0] = 1.0
        assert (await client.get("/v1/models", headers=bearer("web"))).status_code == 401
        assert (await client.get("/v1/models", headers=bearer("app"))).status_code == 200
        path.write_text("no json")
        now[0] = 2.0
        assert (await client.get("/v1/models", headers=bearer("app"))).status_code == 200
