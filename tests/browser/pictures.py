"""Takes the pictures of the page in docs/pictures: `python -m tests.browser.pictures`, over a stack of its own.

Every state is a real one: samples/ ingested, questions asked, processes stopped where something has to be missing.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cli.demo import sample_files
from stack.home import CHECKOUT
from tests.browser.asking import INDEXED_TIMEOUT_S, RIPE, SAMPLES, answers_in_full, ask, first_hit, row
from tests.browser.conftest import ARGUMENTS
from tests.integration.test_experiments import PICTURE, trireme
from tests.running_stack import RunningStack, running, until

FOLDER = CHECKOUT / "docs" / "pictures"
LARGEST_BYTES = 250_000
DESKTOP, PHONE = (1280, 900), (390, 844)
LATE = "What happens when I arrive late to a game?"
BROKEN = "quarterly-report.pdf"
READERS = 24


def main(names: list[str]) -> None:
    """Take all pictures, or those that are named."""
    with running("pictures") as stack, sync_playwright() as playwright:
        fill(stack)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for name, take in PICTURES.items():
            if not names or name in names:
                take(Studio(browser, stack, name))
        browser.close()


class Studio:
    """Opens the page for one picture, and keeps it."""

    def __init__(self, browser: Browser, stack: RunningStack, name: str) -> None:
        self._browser = browser
        self._name = name
        self.stack = stack

    @contextmanager
    def page(
        self, path: str = "/", *, dark: bool = False, size: tuple[int, int] = DESKTOP, whole: bool = False
    ) -> Iterator[Page]:
        """The page as it was opened; at the end of the block its picture is taken."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            device_scale_factor=2 if size == PHONE else 1,
        )
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto(self.stack.url + path)
        expect(page.locator("#health.is-ready, #fresh")).to_be_visible()
        yield page
        page.wait_for_selector("body:not(.is-busy)")
        page.wait_for_load_state("networkidle", timeout=2_000) if "experiments" in path else page.wait_for_timeout(
            800
        )
        keep(page.screenshot(full_page=whole), self._name)
        context.close()


def keep(png: bytes, name: str) -> None:
    """Store a picture, losslessly, as small as it gets."""
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(file, "PNG", optimize=True)
    assert file.tell() <= LARGEST_BYTES, f"{name} has {file.tell():,} bytes"
    FOLDER.joinpath(f"{name}.png").write_bytes(file.getvalue())
    print(f"{name}: {file.tell() / 1000:.0f} kB")  # noqa: T201 - a script


def fill(stack: RunningStack) -> None:
    """Every sample indexed, and a file that cannot be."""
    sent = [stack.client.upload(file.path.read_bytes(), file.path.name) for file in sample_files()]
    for view in sent:
        state = stack.client.wait(view.doc_id, version=view.version, timeout_s=5 * INDEXED_TIMEOUT_S).state
        assert state == "indexed", view
    until(lambda: answers_in_full(stack), "searches are answered in full")


def fail(stack: RunningStack) -> str:
    """A document that fails, and its id."""
    cut_off = (SAMPLES / "damaged" / "truncated.pdf").read_bytes()
    sent = stack.client.upload(cut_off, BROKEN)
    assert stack.client.wait(sent.doc_id, version=sent.version, timeout_s=INDEXED_TIMEOUT_S).state == "failed"
    return sent.doc_id


def cite(page: Page, words: str) -> None:
    """Ask, and open the first citation."""
    ask(page, words)
    citation = page.locator("#answer-text button.cite").first
    citation.click()


def empty(studio: Studio) -> None:
    with studio.page() as page:
        expect(page.locator(".example")).to_have_count(4)


def text(studio: Studio) -> None:
    with studio.page() as page:
        page.get_by_text("Search only").click()
        ask(page, "How are ships guided into the harbour?")


def by_picture(studio: Studio, *, dark: bool = False) -> None:
    with studio.page(dark=dark) as page:
        page.set_input_files("#picture-file", SAMPLES / "castle.jpg")
        ask(page, "")
        expect(first_hit(page).locator(".thumbnail img")).to_be_visible()


def answer(studio: Studio) -> None:
    with studio.page() as page:
        cite(page, LATE)
        expect(page.locator("#quote .sheet-button img")).to_be_visible()


def cited_page(studio: Studio, *, dark: bool = False, size: tuple[int, int] = DESKTOP) -> None:
    with studio.page(dark=dark, size=size) as page:
        cite(page, LATE)
        page.locator("#quote .sheet-button").click()
        expect(page.locator("#sheet-page .mark").first).to_be_visible()


def filters(studio: Studio) -> None:
    with studio.page() as page:
        page.get_by_text("Search only").click()
        ask(page, "how to keep bees healthy")
        page.get_by_text("Filters", exact=True).click()
        with page.expect_response("**/v1/search"):
            page.get_by_label("Kind of file").select_option("PDF")


def failed(studio: Studio) -> None:
    doc_id = fail(studio.stack)
    with studio.page() as page:
        page.get_by_label("Show only documents in a state").select_option("failed")
        row(page, BROKEN).hover()
        expect(row(page, BROKEN).get_by_role("button", name="Try")).to_be_visible()
        ask(page, RIPE)
    studio.stack.client.delete(doc_id)


def degraded(studio: Studio) -> None:
    with studio.stack.paused("shard-1", "replica"), studio.page() as page:
        page.get_by_text("Search only").click()
        page.get_by_label("Question or words to search for").fill("a storm over the sea")
        page.keyboard.press("Enter")
        expect(page.locator("#badges")).to_contain_text("2 of 3 shards")


def problem(studio: Studio) -> None:
    with studio.page() as page, studio.stack.paused("kafka"):
        page.get_by_label("Question or words to search for").fill("Which instruments has an orchestra?")
        page.keyboard.press("Enter")
        expect(page.locator("#problem")).to_be_visible(timeout=60_000)


def phone(studio: Studio) -> None:
    with studio.page(size=PHONE) as page:
        cite(page, LATE)
        expect(page.locator("#quote .sheet-button img")).to_be_visible()


def experiments(studio: Studio) -> None:
    stack, name = studio.stack, "towers"
    towers = ("--variant", "full:encoder=full", "--variant", "small:encoder=distilled")
    trireme(stack, "start", name, *towers, "--metric", "clicks", "--window-s", "1", "--why", "smaller is faster")
    calls = stack.client.experiments

    def searched(reader: str):  # type: ignore[no-untyped-def]
        return stack.client.search("rocket", image=PICTURE, headers={"X-User-Id": reader})

    until(lambda: bool(searched("first").experiments), "it reaches us")
    for number in range(READERS):
        found = searched(f"reader-{number}")
        if found.experiments and (found.experiments[0].variant == "small" or number % 4 == 0):
            calls.feedback(found.impression_id or "", "click", rank=1)
    until(lambda: calls.show(name).waiting == 0, "all outcomes are settled")
    with studio.page(f"/playground/experiments.html#{name}", whole=True) as page:
        expect(page.locator("#arms tr")).to_have_count(2)
        expect(page.locator("#fresh")).to_have_text("live")
    calls.stop(name, why="seen")


PICTURES: dict[str, Callable[[Studio], None]] = {
    "playground-empty": empty,
    "playground-text": text,
    "playground-picture": by_picture,
    "playground-picture-dark": lambda studio: by_picture(studio, dark=True),
    "playground-answer": answer,
    "playground-page": cited_page,
    "playground-page-dark": lambda studio: cited_page(studio, dark=True),
    "playground-page-phone": lambda studio: cited_page(studio, size=PHONE),
    "playground-phone": phone,
    "playground-filters": filters,
    "experiments": experiments,
    "playground-degraded": degraded,
    "playground-problem": problem,
    "playground-failed": failed,
}

if __name__ == "__main__":
    main(sys.argv[1:])
