"""The playground's files."""

import re
from importlib.resources import files

import pytest

from tests.gateway.door import Door
from tests.gateway.routes.test_documents_route import get
from tests.gateway.routes.test_search_route import assert_problem

FOLDER = files("gateway").joinpath("playground")
FILES = sorted(entry.name for entry in FOLDER.iterdir())


async def test_the_page_is_served_with_a_policy_that_allows_nothing_from_outside() -> None:
    response = await get(Door(), "/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", FILES)
async def test_every_file_of_the_page_is_served(name: str) -> None:
    response = await get(Door(), f"/playground/{name}")
    assert response.status_code == 200
    assert response.content == FOLDER.joinpath(name).read_bytes()


async def test_a_file_that_has_not_changed_is_not_sent_again() -> None:
    door = Door()
    first = await get(door, "/playground/app.js")
    async with door.client() as client:
        headers = {"If-None-Match": first.headers["etag"]}
        again = await client.get("/playground/app.js", headers=headers)
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["other.js", "..%2f__init__.py", "%2e%2e/app.py"])
async def test_nothing_else_is_served(name: str) -> None:
    assert_problem(await get(Door(), f"/playground/{name}"), 404, "not_found")


@pytest.mark.parametrize("name", FILES)
def test_the_page_reaches_for_nothing_outside_and_writes_no_markup(name: str) -> None:
    text = FOLDER.joinpath(name).read_text(encoding="utf-8")
    outside = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text))
    assert outside <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script>", text)
