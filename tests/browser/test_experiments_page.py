"""The page of experiments in a real browser: a running one with its numbers, in light, dark, and on a phone."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stack.home import CHECKOUT
from tests.integration.test_experiments import PICTURE, trireme
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.browser

# Set to a folder: pictures of the page are put there, to be looked at.
PICTURES = os.environ.get("PAGE_PICTURES")
USERS = 24


def taken(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def test_a_running_experiment_shows_its_variants_and_what_is_known(stack: RunningStack, page: Page) -> None:
    sent = stack.client.upload((CHECKOUT / "samples" / "rocket.png").read_bytes(), "rocket.png")
    assert stack.client.wait(sent.doc_id, version=sent.version, timeout_s=60).state == "indexed"
    name = f"towers-{uuid.uuid4().hex[:8]}"
    towers = ("--variant", "full:encoder=full", "--variant", "small:encoder=distilled")
    trireme(stack, "start", name, *towers, "--metric", "clicks", "--window-s", "1", "--why", "smaller is faster")
    calls = stack.client.experiments
    try:
        headers = {"X-User-Id": "first"}
        until(
            lambda: bool(stack.client.search("rocket", image=PICTURE, headers=headers).experiments),
            "it reaches us",
        )
        for number in range(USERS):
            found = stack.client.search("rocket", image=PICTURE, headers={"X-User-Id": f"reader-{number}"})
            if found.experiments[0].variant == "small" or number % 4 == 0:
                calls.feedback(found.impression_id or "", "click", rank=1)
        until(lambda: calls.show(name).waiting == 0, "all outcomes are settled")
        page.goto(f"{stack.url}/playground/experiments.html#{name}")
        expect(page.locator("#name")).to_have_text(name)
        expect(page.locator("#state")).to_have_text("running")
        expect(page.locator("#fresh")).to_have_text("live")
        expect(page.locator("#arms tr")).to_have_count(2)
        expect(page.locator("#tracks svg")).to_have_count(1)
        expect(page.locator("#history li")).to_contain_text(["start", "put"])
        taken(page, "experiments-light")
        page.emulate_media(color_scheme="dark")
        taken(page, "experiments-dark")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out on a phone"
        taken(page, "experiments-phone")
    finally:
        calls.stop(name, why="seen")
    expect(page.locator("#state")).to_have_text("stopped")
    page.goto(f"{stack.url}/")
    page.get_by_role("link", name="Experiments").click()
    expect(page.locator("#name")).to_be_visible()
