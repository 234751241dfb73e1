"""The playground in a real browser, over the whole stack."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.asking import INDEXED_TIMEOUT_S, RIPE, SAMPLES, ask, first_hit, index_samples, row
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.browser

NEEDED = ("compost.md", "chess-club.pdf", "castle.jpg", "cactus.png")


@pytest.fixture(scope="module", autouse=True)
def documents(stack: RunningStack) -> None:
    """A few samples, indexed."""
    index_samples(stack, *NEEDED)


@pytest.fixture
def strange(stack: RunningStack) -> Iterator[str]:
    """A document whose name and text try to be markup."""
    name = "<img src=x onerror=document.title='owned'>.txt"
    text = "Zeppelin <script>document.title='owned'</script>\n\nA zeppelin carries <b>hydrogen</b> & hope.\n"
    sent = stack.client.upload(text.encode(), name)
    assert stack.client.wait(sent.doc_id, version=sent.version, timeout_s=INDEXED_TIMEOUT_S).state == "indexed"
    yield name
    stack.client.delete(sent.doc_id)


def test_a_question_is_answered_and_its_citation_opens_the_source(page: Page) -> None:
    ask(page, RIPE)
    expect(page.locator("#answer-by")).to_have_text("quoted from the documents")
    citation = page.locator("#answer-text button.cite").first
    expect(citation).to_be_visible()
    citation.click()
    rank = citation.inner_text()
    source = page.locator(f"#hit-{rank}")
    expect(page.locator("#quote figcaption")).to_contain_text(source.locator(".source").inner_text())
    expect(source).to_have_class("hit card is-text is-cited")
    quote = page.locator("#quote blockquote").inner_text()
    assert source.locator("mark.cited").inner_text().split() == quote.split()
    assert page.locator("#answer-text").inner_text().find(quote.split()[0]) >= 0


def test_what_served_the_answer_and_where_its_time_went_is_shown(page: Page) -> None:
    ask(page, "What happens when somebody arrives late to a chess game?")
    expect(first_hit(page).locator(".source")).to_have_text("chess-club.pdf")
    expect(first_hit(page).locator(".badge.page")).to_have_text("page 1")
    expect(page.locator("#badges")).to_contain_text("3 of 3 shards")
    expect(page.locator("#timings")).to_contain_text("Kafka")
    expect(page.locator("#timings .total")).to_contain_text("ms in all")
    expect(first_hit(page).locator(".halves .by-text")).not_to_be_empty()


def test_a_picture_finds_the_picture_and_shows_it_large(page: Page) -> None:
    page.set_input_files("#picture-file", SAMPLES / "castle.jpg")
    expect(page.locator("#query-picture")).to_be_visible()
    page.keyboard.press("Enter")
    expect(first_hit(page).locator(".source")).to_have_text("castle.jpg")
    thumbnail = first_hit(page).locator(".thumbnail")
    assert thumbnail.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    thumbnail.click()
    expect(page.locator("#viewer-image")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_a_new_document_is_followed_until_it_is_indexed_found_and_deleted(page: Page) -> None:
    name = "marmot-notes.txt"
    text = b"Marmots whistle when an eagle circles above the scree. They sleep from October to April."
    page.set_input_files("#document-files", {"name": name, "mimeType": "text/plain", "buffer": text})
    expect(row(page, name).locator(".state")).to_have_text("indexed")
    ask(page, "Why do marmots whistle?")
    expect(first_hit(page).locator(".source")).to_have_text(name)
    expect(page.locator("#answer-text")).to_contain_text("Marmots whistle when an eagle circles above the scree.")
    row(page, name).hover()
    delete = row(page, name).get_by_role("button", name=f"Delete {name}")
    delete.click()
    expect(delete).to_have_text("Really?")
    delete.click()
    expect(row(page, name).locator(".state")).to_have_text("deleted")


def test_a_file_that_is_not_read_is_refused_with_a_sentence(page: Page) -> None:
    program = {"name": "setup.exe", "mimeType": "application/octet-stream", "buffer": b"MZ\x00\x01"}
    page.set_input_files("#document-files", program)
    expect(page.locator("#uploads")).to_contain_text(
        "Trireme reads PDF, DOCX, HTML, Markdown, plain text, PNG, JPEG, TIFF, WebP, GIF and BMP."
    )


def test_nothing_that_a_document_says_becomes_markup(page: Page, strange: str) -> None:
    ask(page, "What does a zeppelin carry?")
    expect(first_hit(page).locator(".source")).to_have_text(strange)
    expect(first_hit(page)).to_contain_text("<b>hydrogen</b>")
    expect(row(page, strange)).to_be_visible()
    assert page.locator("img[src=x], #hits b:has-text('hydrogen'), #answer-text b").count() == 0
    assert page.title() == "Trireme"


def test_a_gateway_that_asks_for_a_moment_is_asked_again(page: Page) -> None:
    refusals = [json.dumps({"detail": "Busy.", "code": "overloaded", "retry_after_s": 0.1}) for _ in range(2)]

    def refuse_at_first(route: Route) -> None:
        if refusals:
            route.fulfill(status=429, content_type="application/problem+json", body=refusals.pop())
        else:
            route.continue_()

    page.route("**/v1/answer", refuse_at_first)
    ask(page, RIPE)
    expect(first_hit(page).locator(".source")).to_have_text("compost.md")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_gateway_that_stays_away_is_said_to_be_away(page: Page) -> None:
    detail = "The service 'kafka' cannot be reached at the moment."
    body = json.dumps({"detail": detail, "code": "dependency_down", "retry_after_s": 0.1, "trace_id": "abc123"})
    page.route(
        "**/v1/answer",
        lambda route: route.fulfill(status=503, content_type="application/problem+json", body=body),
    )
    ask(page, RIPE)
    expect(page.locator("#problem")).to_contain_text(detail)
    expect(page.locator("#problem")).to_contain_text("abc123")


def test_the_page_can_be_used_with_the_keyboard_alone(page: Page) -> None:
    page.locator("body").press("Tab")
    page.keyboard.press("/")
    page.keyboard.type("late to a chess game")
    page.keyboard.press("Enter")
    citation = page.locator("#answer-text button.cite").first
    expect(citation).to_be_visible()
    citation.focus()
    page.keyboard.press("Enter")
    expect(citation).to_have_attribute("aria-expanded", "true")


def test_a_question_survives_a_reload(page: Page) -> None:
    ask(page, RIPE)
    expect(page.locator("#answer-text button.cite").first).to_be_visible()
    page.reload()
    expect(page.get_by_label("Question or words to search for")).to_have_value(
        "How do I know that compost is ripe?"
    )
    expect(first_hit(page)).to_be_visible()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    ask(page, RIPE)
    expect(page.locator("#answer-text button.cite").first).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_a_failed_document_is_tried_again_with_one_click(page: Page, stack: RunningStack) -> None:
    sent = stack.client.upload(b"%PDF-1.7\nnot a page in it", "never-was.pdf")
    assert stack.client.wait(sent.doc_id, version=sent.version, timeout_s=INDEXED_TIMEOUT_S).state == "failed"
    failed = row(page, "never-was.pdf")
    failed.hover()
    failed.get_by_role("button", name="Try never-was.pdf again").click()
    until(
        lambda: (
            {letter.state for letter in stack.client.dead_letters(document=sent.doc_id).letters}
            == {"requeued", "open"}
        ),
        "it was tried again and failed again",
    )
    expect(row(page, "never-was.pdf").locator(".state")).to_have_text("failed")
    stack.client.delete(sent.doc_id)
