"""Filters of the page, in a real browser over the whole stack."""

from __future__ import annotations

import datetime
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.asking import ask, first_hit, index_samples
from tests.running_stack import RunningStack

pytestmark = pytest.mark.browser

CHESS = "late to a game of chess"


@pytest.fixture(scope="module", autouse=True)
def documents(stack: RunningStack) -> None:
    """Samples of several kinds, one of them in a collection of its own."""
    index_samples(stack, "chess-club.pdf", "compost.md", "castle.jpg")
    index_samples(stack, "cheese-cellar.md", collection="kitchen")


def found(page: Page) -> set[str]:
    """Names of the documents whose hits are shown."""
    return set(page.locator("#hits .source").all_inner_texts())


def searched(page: Page) -> None:
    """Wait for the search that a changed filter has begun."""
    page.wait_for_selector("body:not(.is-busy)")


def open_filters(page: Page) -> None:
    page.get_by_text("Filters", exact=True).click()


def test_a_kind_of_file_a_collection_and_both(page: Page) -> None:
    page.get_by_text("Search only").click()
    ask(page, CHESS)
    assert {"chess-club.pdf", "compost.md", "cheese-cellar.md"} <= found(page)
    open_filters(page)
    with page.expect_response("**/v1/search"):
        page.get_by_label("Kind of file").select_option("Markdown")
    expect(page.locator("#hits")).not_to_contain_text("chess-club.pdf")
    searched(page)
    assert {"compost.md", "cheese-cellar.md"} <= found(page)
    assert all(name.endswith(".md") for name in found(page))
    page.get_by_label("Collection").fill("kitchen")
    with page.expect_response("**/v1/search"):
        page.keyboard.press("Tab")
    expect(page.locator("#hits")).not_to_contain_text("compost.md")
    assert found(page) == {"cheese-cellar.md"}
    expect(page.locator("#filter-chips button")).to_have_text(["in kitchen ×", "Markdown ×"])
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Remove the filter: Markdown").click()
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Remove the filter: in kitchen").click()
    expect(first_hit(page).locator(".source")).to_have_text("chess-club.pdf")


def test_days_count_whole_and_a_filter_that_leaves_nothing_can_be_taken_away(page: Page) -> None:
    today = page.evaluate("() => new Date().toLocaleDateString('sv')")
    tomorrow = (datetime.date.fromisoformat(today) + datetime.timedelta(days=1)).isoformat()
    page.get_by_text("Search only").click()
    ask(page, CHESS)
    open_filters(page)
    with page.expect_response("**/v1/search"):
        page.get_by_label("Added from").fill(today)
    with page.expect_response("**/v1/search"):
        page.get_by_label("until", exact=True).fill(today)
    searched(page)
    assert "chess-club.pdf" in found(page)
    with page.expect_response("**/v1/search"):
        page.get_by_label("until", exact=True).fill(tomorrow)
    with page.expect_response("**/v1/search"):
        page.get_by_label("Added from").fill(tomorrow)
    expect(page.locator("#hits")).to_contain_text("Nothing was found.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Search without filters").click()
    expect(first_hit(page).locator(".source")).to_have_text("chess-club.pdf")
    expect(page.locator("#filter-chips")).to_be_empty()


def test_how_was_asked_survives_a_reload_and_starting_again_clears_it(page: Page) -> None:
    page.get_by_text("Search only").click()
    page.get_by_text("Text", exact=True).click()
    open_filters(page)
    page.get_by_label("Kind of file").select_option("PDF")
    page.keyboard.press("Escape")
    expect(page.get_by_text("Filters", exact=True)).to_be_focused()
    ask(page, CHESS)
    expect(page).to_have_url(re.compile(r"\?q=late.*type=pdf.*mode=search.*kind=text"))
    page.reload()
    expect(first_hit(page).locator(".source")).to_have_text("chess-club.pdf")
    expect(page.get_by_label("Search only")).to_be_checked()
    expect(page.get_by_label("Text", exact=True)).to_be_checked()
    expect(page.get_by_role("button", name="Remove the filter: PDF")).to_be_visible()
    page.get_by_role("link", name="Trireme, start again").click()
    expect(page.locator("#filter-chips")).to_be_empty()
    assert page.evaluate("() => location.search") == ""


@pytest.mark.parametrize("width", [360, 1280])
def test_the_open_panel_stays_within_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    open_filters(page)
    panel = page.locator("#filters .panel-body").bounding_box()
    assert panel is not None
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= width
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
