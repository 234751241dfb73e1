"""What tests of the page do again and again: have samples indexed, ask, find the rows that came."""

from __future__ import annotations

import time

from playwright.sync_api import Locator, Page, expect

from contracts.errors import DeadlineExceeded, DependencyDown
from stack.home import CHECKOUT
from tests.running_stack import RunningStack, until

SAMPLES = CHECKOUT / "samples"
INDEXED_TIMEOUT_S = 60.0
RIPE = "How do I know that compost is ripe?"
_ATTEMPTS = 5

expect.set_options(timeout=30_000)


def index_samples(stack: RunningStack, *names: str, collection: str = "default") -> None:
    """Have samples indexed, and searches answered in full."""
    for name in names:
        sent = stack.client.upload((SAMPLES / name).read_bytes(), name, collection=collection)
        assert stack.client.wait(sent.doc_id, version=sent.version, timeout_s=INDEXED_TIMEOUT_S).state == "indexed"
    until(lambda: answers_in_full(stack), "searches are answered in full")


def answers_in_full(stack: RunningStack) -> bool:
    """Whether a search was answered in time by all parts; the first ones on a busy machine may not be."""
    try:
        response = stack.client.search(f"warm up {time.monotonic()}")
    except (DependencyDown, DeadlineExceeded):
        return False
    return not response.degraded and response.coverage.answered == response.coverage.of


def ask(page: Page, words: str) -> None:
    """Type and press Enter; once more where a busy machine gave a partial result within its 200 ms."""
    page.get_by_label("Question or words to search for").fill(words)
    for _ in range(_ATTEMPTS):
        page.keyboard.press("Enter")
        page.wait_for_selector("body:not(.is-busy)")
        if page.locator("#measures").is_hidden() or page.locator("#badges .warn").count() == 0:
            return


def first_hit(page: Page) -> Locator:
    return page.locator("#hit-1")


def row(page: Page, name: str) -> Locator:
    return page.locator(".document", has_text=name).first
