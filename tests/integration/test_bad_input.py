"""Broken and hostile input: each ends with a sentence a person understands, and no process falls over."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pytest
from PIL import Image

from contracts.api import DocumentView
from contracts.errors import InvalidInput, PayloadTooLarge, TriremeError, UnsupportedMedia
from stack.home import CHECKOUT
from tests.running_stack import RunningStack

pytestmark = pytest.mark.integration

SAMPLES = CHECKOUT / "samples"
END_TIMEOUT_S = 90.0


@pytest.fixture(autouse=True)
def every_process_lives_on(stack: RunningStack) -> Iterator[None]:
    """Whatever a test sends, the same processes run afterwards and all are well."""
    before = stack.pids()
    yield
    assert stack.pids() == before
    assert {view.state for view in stack.state().processes} == {"ready"}
    assert stack.client.search("is everybody still there").coverage.answered == 3


def end_of(stack: RunningStack, name: str, data: bytes) -> DocumentView:
    sent = stack.client.upload(data, name, collection="broken")
    return stack.client.wait(sent.doc_id, version=sent.version, timeout_s=END_TIMEOUT_S)


def assert_failed(view: DocumentView) -> None:
    assert view.state == "failed"
    assert_sentence(view.reason or "")
    assert any(stage.cause for stage in view.stages if stage.state == "failed")


def assert_sentence(text: str) -> None:
    """A sentence for people: words, an end, and nothing of a library's insides."""
    assert len(text.split()) >= 4
    assert text[0].isupper()
    assert text.rstrip().endswith((".", "?", "!"))
    assert not any(word in text for word in ("Traceback", "Error(", "Exception", "0x", "/tmp", ".py"))


def docx_bomb() -> bytes:
    """A DOCX of some hundred KiB whose main part unpacks to 600 MiB."""
    bomb = io.BytesIO()
    main = "word/document.xml"
    with zipfile.ZipFile(SAMPLES / "first-aid-burns.docx") as good, zipfile.ZipFile(bomb, "w") as archive:
        for entry in good.infolist():
            if entry.filename != main:
                archive.writestr(entry, good.read(entry))
        info = zipfile.ZipInfo(main)
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w") as part:
            part.write(good.read(main))
            for _ in range(600):
                part.write(b" " * 2**20)
    return bomb.getvalue()


def large_png(width: int, height: int) -> bytes:
    """One colour: small on the wire, large in memory."""
    data = io.BytesIO()
    Image.new("L", (width, height), 200).save(data, "PNG")
    return data.getvalue()


def test_a_corrupt_png_fails_with_a_reason(stack: RunningStack) -> None:
    assert_failed(end_of(stack, "corrupt.png", (SAMPLES / "damaged" / "corrupt-picture.png").read_bytes()))


def test_a_truncated_pdf_fails_with_a_reason(stack: RunningStack) -> None:
    assert_failed(end_of(stack, "truncated.pdf", (SAMPLES / "damaged" / "truncated.pdf").read_bytes()))


def test_an_empty_file_is_refused(stack: RunningStack) -> None:
    with pytest.raises(InvalidInput) as refusal:
        stack.client.upload(b"", "empty.pdf")
    assert_sentence(refusal.value.message)


def test_a_docx_bomb_fails_with_a_reason(stack: RunningStack) -> None:
    assert_failed(end_of(stack, "bomb.docx", docx_bomb()))


def test_a_picture_of_sixty_megapixels_fails_with_a_reason(stack: RunningStack) -> None:
    assert_failed(end_of(stack, "huge.png", large_png(10_000, 6_000)))


def test_a_wrong_extension_is_refused(stack: RunningStack) -> None:
    with pytest.raises(UnsupportedMedia) as refusal:
        stack.client.upload((SAMPLES / "damaged" / "not-a-picture.png").read_bytes(), "not-a-picture.png")
    assert_sentence(refusal.value.message)


def test_an_unknown_kind_of_file_is_refused(stack: RunningStack) -> None:
    with pytest.raises(UnsupportedMedia):
        stack.client.upload(b"\x7fELF\x02\x01\x01" + bytes(200), "program.bin")


def test_a_picture_without_bytes_in_a_query_is_refused(stack: RunningStack) -> None:
    with pytest.raises(InvalidInput) as refusal:
        stack.client.search("an octopus", image=b"")
    assert_sentence(refusal.value.message)


def test_a_picture_in_a_query_that_is_none_is_refused(stack: RunningStack) -> None:
    with pytest.raises(TriremeError) as refusal:
        stack.client.search(image=b"not a picture at all")
    assert refusal.value.code in {"unsupported_media", "invalid_input"}
    assert_sentence(refusal.value.message)


def test_a_query_of_a_megabyte_is_refused(stack: RunningStack) -> None:
    with pytest.raises(PayloadTooLarge) as refusal:
        stack.client.search("knots " * 170_000)
    assert_sentence(refusal.value.message)


@pytest.mark.parametrize("query", ["", "   \n\t "])
def test_an_empty_query_is_refused(stack: RunningStack, query: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        stack.client.search(query)
    assert_sentence(refusal.value.message)


def test_a_broken_file_leaves_its_good_version_visible(stack: RunningStack) -> None:
    good = (SAMPLES / "octopus.png").read_bytes()
    first = end_of(stack, "was-good.png", good)
    assert first.state == "indexed"
    broken = end_of(stack, "was-good.png", (SAMPLES / "damaged" / "corrupt-picture.png").read_bytes())
    assert broken.state == "failed"
    assert broken.visible_version == first.version
