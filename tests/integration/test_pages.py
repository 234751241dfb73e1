"""Pages of documents drawn by a running gateway, which outlives those that break what draws them."""

from __future__ import annotations

import io

import psutil
import pytest
from PIL import Image

from contracts.errors import DocumentFailed, NotFound
from stack.home import CHECKOUT
from tests.ingest.corpus.every_case import every_case
from tests.integration.test_documents import add
from tests.running_stack import RunningStack

pytestmark = pytest.mark.integration

COLLECTION = "pages"
SAMPLE = (CHECKOUT / "samples" / "tea-terraces.pdf").read_bytes()
BREAKS = next(case for case in every_case() if case.name == "content-of-800-mb.pdf")


def test_a_page_is_drawn_and_a_document_that_breaks_its_process_breaks_nothing_else(stack: RunningStack) -> None:
    doc_id = add(stack, COLLECTION, "tea.pdf", SAMPLE)
    gateway = stack.process("gateway")
    sent = stack.client.upload(BREAKS.make(), BREAKS.name, collection=COLLECTION)
    try:
        with pytest.raises(DocumentFailed):
            stack.client.get_bytes(f"/v1/documents/{sent.doc_id}/pages/1")
        image = Image.open(io.BytesIO(stack.client.get_bytes(f"/v1/documents/{doc_id}/pages/1?width=300")))
        assert image.width == 300
        with pytest.raises(NotFound, match="There is no page 99"):
            stack.client.get_bytes(f"/v1/documents/{doc_id}/pages/99")
        assert gateway.pid is not None
        assert stack.process("gateway").pid == gateway.pid
        assert psutil.Process(gateway.pid).children(recursive=True) == []
    finally:
        stack.client.delete(sent.doc_id)
