"""The description of the API for people."""

import re

import pytest

from tests.gateway.door import Door
from tests.gateway.routes.test_documents_route import get
from tests.gateway.routes.test_search_route import assert_problem


async def test_the_page_and_all_that_it_names_come_from_here() -> None:
    door = Door()
    page = await get(door, "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"https?:|//", page.text)
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js"} <= set(named)
    for path in named:
        response = await get(door, path)
        assert response.status_code == 200
        assert response.content


async def test_no_script_runs_but_those_of_files_from_here() -> None:
    page = await get(Door(), "/docs")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "<script>" not in page.text


async def test_what_is_tried_there_carries_the_header_that_writes_need() -> None:
    door = Door()
    start = await get(door, "/docs/start.js")
    assert "X-Requested-With" in start.text
    assert "/openapi.json" in start.text
    assert (await get(door, "/openapi.json")).json()["info"]["title"] == "Trireme"


@pytest.mark.parametrize("path", ["/docs/other.js", "/docs/..%2fcore.py", "/redoc"])
async def test_nothing_else_is_served(path: str) -> None:
    assert_problem(await get(Door(), path), 404, "not_found")
