"""Citations and hits opened on the page that they stand on, in a real browser over the whole stack."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.asking import ask, first_hit, index_samples
from tests.running_stack import RunningStack

pytestmark = pytest.mark.browser

LATE = "What happens to whoever arrives late to a chess game?"
# In fractions of a page: a pixel of the page as it is shown, and letters' ascenders.
NEAR = 0.01


@pytest.fixture(scope="module", autouse=True)
def documents(stack: RunningStack) -> None:
    """A document of two pages, one without pages, a scan."""
    index_samples(stack, "chess-club.pdf", "compost.md", "scan-ferry-notice.pdf")


def open_citation(page: Page) -> Locator:
    """Ask, open the first citation that stands in the chess club's handbook, and give its small page."""
    ask(page, LATE)
    citation = page.get_by_role("button", name="chess-club.pdf").and_(page.locator("button.cite")).first
    citation.click()
    small = page.locator("#quote .sheet-button")
    expect(small.locator("img")).to_be_visible()
    return small


def frame(sheet: Locator, what: str) -> tuple[float, float, float, float]:
    """The first rectangle on a page as it is seen: left, top, right, bottom in fractions of the page's picture."""
    paper = sheet.locator("img").bounding_box()
    piece = sheet.locator(what).first.bounding_box()
    assert paper is not None
    assert piece is not None
    left = (piece["x"] - paper["x"]) / paper["width"]
    top = (piece["y"] - paper["y"]) / paper["height"]
    return left, top, left + piece["width"] / paper["width"], top + piece["height"] / paper["height"]


def test_a_citation_opens_on_its_page_with_its_words_and_its_box_marked(page: Page, stack: RunningStack) -> None:
    small = open_citation(page)
    small.click()
    dialog = page.locator("#sheet-dialog")
    expect(dialog).to_be_visible()
    expect(page.locator("#sheet-title")).to_have_text("chess-club.pdf")
    expect(page.locator("#sheet-count")).to_have_text("page 1 of 2")
    quote = page.locator("#quote blockquote").inner_text()
    expect(page.locator("#sheet-note q")).to_have_text(quote)
    sheet = page.locator("#sheet-page")
    (cited,) = [c for c in stack.client.answer(LATE).citations if c.source == "chess-club.pdf"][:1]
    assert cited.box is not None
    assert frame(sheet, ".place") == pytest.approx(tuple(cited.box), abs=NEAR)
    left, top, right, bottom = frame(sheet, ".mark")
    assert 0.1 < left < right < 0.9
    assert 0 < bottom - top < 0.03, "a line of the quote, not the whole passage"
    expect(sheet.locator(".mark").first).to_be_in_viewport()


def test_the_page_is_opened_turned_and_closed_with_the_keyboard_and_the_focus_comes_back(page: Page) -> None:
    small = open_citation(page)
    small.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#sheet-count")).to_have_text("page 1 of 2")
    expect(page.locator("#sheet-view")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#sheet-count")).to_have_text("page 2 of 2")
    expect(page.locator("#sheet-page .place")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#sheet-count")).to_have_text("page 1 of 2")
    expect(page.locator("#sheet-page .place")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#sheet-dialog")).to_be_hidden()
    expect(small).to_be_focused()


def test_a_hit_shows_where_it_stands_and_one_without_pages_does_not_offer_to(page: Page) -> None:
    page.get_by_text("Search only").click()
    ask(page, LATE)
    button = first_hit(page).get_by_role("button", name="Show it on chess-club.pdf, page 1")
    button.click()
    expect(page.locator("#sheet-page .place")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(button).to_be_focused()
    ask(page, "How do I know that compost is ripe?")
    expect(first_hit(page).locator(".source")).to_have_text("compost.md")
    expect(first_hit(page).locator(".badge.page")).to_have_count(0)


def test_a_scan_is_framed_though_it_has_no_text_layer(page: Page) -> None:
    page.get_by_text("Search only").click()
    ask(page, "notice about the ferry")
    page.locator(".hit", has_text="scan-ferry-notice.pdf").first.locator("button.badge.page").click()
    expect(page.locator("#sheet-page .place")).to_be_visible()
    expect(page.locator("#sheet-page .mark")).to_have_count(0)


def test_on_a_phone_the_page_fills_the_screen_and_can_be_made_larger(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    open_citation(page).click()
    image = page.locator("#sheet-page img")
    expect(image).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    before = image.bounding_box()
    assert before is not None
    assert before["width"] > 360
    zoom = page.get_by_role("button", name="Larger")
    zoom.click()
    expect(zoom).to_have_attribute("aria-pressed", "true")
    after = image.bounding_box()
    assert after is not None
    assert after["width"] > 1.5 * before["width"]
    expect(page.locator("#sheet-page .mark").first).to_be_in_viewport()
    paper = page.locator("#sheet-page").evaluate("element => getComputedStyle(element).backgroundColor")
    assert paper == "rgb(255, 255, 255)", "a page is white in the dark, too"


def test_a_document_that_changed_meanwhile_is_not_shown_as_if_it_had_not(page: Page) -> None:
    page.route("**/pages/*", lambda route: route.continue_(url=route.request.url.replace("version=", "version=1")))
    page.get_by_text("Search only").click()
    ask(page, LATE)
    first_hit(page).locator("button.badge.page").click()
    expect(page.locator("#sheet-page")).to_have_text("The document has changed since it was found. Search again.")
    page.keyboard.press("Escape")
    expect(page.locator("#sheet-dialog")).to_be_hidden()
