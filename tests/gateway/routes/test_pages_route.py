"""Pages as pictures over the whole app; what draws them is the real process."""

import io
import json

import pytest
from PIL import Image

from stack.home import CHECKOUT
from tests.gateway.door import WRITE, Door
from tests.gateway.routes.test_documents_route import get, upload
from tests.gateway.routes.test_search_route import assert_problem

SAMPLES = CHECKOUT / "samples"


async def uploaded(door: Door, name: str) -> dict[str, object]:
    body: dict[str, object] = (await upload(door, (SAMPLES / name).read_bytes(), name)).json()
    return body


async def test_a_page_comes_as_a_picture_of_the_width_that_is_asked_for() -> None:
    door = Door()
    doc_id = (await uploaded(door, "chess-club.pdf"))["doc_id"]
    response = await get(door, f"/v1/documents/{doc_id}/pages/2?width=400")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-page-count"] == "2"
    assert response.headers["cache-control"] == "private, max-age=300"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    image = Image.open(io.BytesIO(response.content))
    assert image.width == 400
    assert image.height / image.width == pytest.approx(842 / 595, rel=0.01)


async def test_the_places_of_quoted_words_come_with_the_page() -> None:
    door = Door()
    doc_id = (await uploaded(door, "chess-club.pdf"))["doc_id"]
    path = f"/v1/documents/{doc_id}/pages/1"
    boxes = (await get(door, f"{path}?quote=Telephones%20are%20switched%20off")).headers["x-quote-boxes"]
    ((left, top, right, bottom),) = json.loads(boxes)
    assert 0 < left < right < 1
    assert 0.64 < top < bottom < 0.72
    assert (await get(door, path)).headers["x-quote-boxes"] == "[]"


async def test_a_picture_that_the_browser_has_is_neither_drawn_nor_sent_again() -> None:
    door = Door()
    doc_id = (await uploaded(door, "castle.jpg"))["doc_id"]
    path = f"/v1/documents/{doc_id}/pages/1"
    etag = (await get(door, path)).headers["etag"]
    door.store.objects.clear()
    async with door.client() as client:
        again = await client.get(path, headers={"If-None-Match": etag})
        other = await client.get(path + "?width=99", headers={"If-None-Match": etag})
        marked = await client.get(path + "?quote=castle", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert {other.status_code, marked.status_code} == {404}, "other words or another width are another answer"


async def test_a_page_beyond_the_end_is_not_found() -> None:
    door = Door()
    doc_id = (await uploaded(door, "chess-club.pdf"))["doc_id"]
    problem = assert_problem(await get(door, f"/v1/documents/{doc_id}/pages/3"), 404, "not_found")
    assert problem["detail"] == "There is no page 3: the document has 2 pages."


async def test_a_kind_without_pages_is_said_to_have_none() -> None:
    door = Door()
    doc_id = (await uploaded(door, "compost.md"))["doc_id"]
    assert_problem(await get(door, f"/v1/documents/{doc_id}/pages/1"), 415, "unsupported_media")


async def test_a_document_that_cannot_be_drawn_is_a_problem_with_its_cause() -> None:
    door = Door()
    doc_id = (await upload(door, b"%PDF-1.7\nnot a page in it", "broken.pdf")).json()["doc_id"]
    problem = assert_problem(await get(door, f"/v1/documents/{doc_id}/pages/1"), 422, "document_failed")
    assert problem["extra"] == {"cause": "corrupt"}


@pytest.mark.parametrize("path", ["0", "-1", "one", "1?width=63", "1?width=2001", "1?version=-1"])
async def test_what_cannot_be_asked_for_is_refused_before_anything_is_looked_for(path: str) -> None:
    assert_problem(await get(Door(), f"/v1/documents/some/pages/{path}"), 422, "invalid_input")


async def test_a_page_of_a_version_that_was_replaced_is_not_shown_as_if_it_were_the_same() -> None:
    door = Door()
    first = await uploaded(door, "chess-club.pdf")
    path = f"/v1/documents/{first['doc_id']}/pages/1?version={first['version']}"
    assert (await get(door, path)).status_code == 200
    await upload(door, (SAMPLES / "tea-terraces.pdf").read_bytes(), "chess-club.pdf")
    assert_problem(await get(door, path), 404, "not_found")


async def test_a_deleted_document_has_no_pages() -> None:
    door = Door()
    doc_id = (await uploaded(door, "castle.jpg"))["doc_id"]
    async with door.client() as client:
        assert (await client.delete(f"/v1/documents/{doc_id}", headers=WRITE)).status_code == 202
    assert_problem(await get(door, f"/v1/documents/{doc_id}/pages/1"), 404, "not_found")
