"""Pictures through signed links."""

import pytest

from contracts.search import ShardHit
from tests.gateway.door import Door
from tests.gateway.fakes import text_item
from tests.gateway.routes.test_documents_route import get
from tests.gateway.routes.test_search_route import assert_problem, png

KEY = "derived/doc 1/7/picture-0"


def hit(key: str = KEY) -> ShardHit:
    values = {name: getattr(text_item("d", "p0", "x").hit, name) for name in ShardHit.__struct_fields__}
    return ShardHit(**values | {"picture_key": key, "thumbnail_key": key})


async def test_a_picture_comes_as_an_attachment_of_its_own_type() -> None:
    door = Door()
    door.store.objects[KEY] = png()
    url = door.links.picture(hit())
    assert url is not None
    response = await get(door, url)
    assert response.content == png()
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == "attachment; filename*=UTF-8''picture-0.png"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_bytes_that_are_no_picture_are_never_called_one() -> None:
    door = Door()
    door.store.objects[KEY] = b"<script>alert(1)</script>"
    url = door.links.thumbnail(hit())
    assert url is not None
    assert (await get(door, url)).headers["content-type"] == "application/octet-stream"


async def test_a_link_is_good_for_its_own_picture_only() -> None:
    door = Door()
    door.store.objects |= {KEY: png(), "derived/other/7/picture-0": png(colour="blue")}
    url = door.links.picture(hit())
    assert url is not None
    assert_problem(await get(door, url.replace("doc%201", "other")), 404, "not_found")


async def test_a_picture_that_was_deleted_meanwhile_is_not_found() -> None:
    door = Door()
    url = door.links.picture(hit())
    assert url is not None
    assert_problem(await get(door, url), 404, "not_found")


@pytest.mark.parametrize("key", ["objects/default/default/a.pdf", "derived/../objects/a.pdf"])
async def test_nothing_but_pictures_can_be_had_even_with_our_own_signature(key: str) -> None:
    door = Door()
    door.store.objects[key] = b"secret"
    url = door.links.picture(hit(key))
    assert url is not None
    response = await get(door, url)
    assert response.status_code == 404
