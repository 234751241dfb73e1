"""The life of a document through the whole stack: every kind in, found, replaced, deleted."""

from __future__ import annotations

import pytest

from contracts.errors import NotFound
from contracts.search import Filter
from stack.home import CHECKOUT
from tests.running_stack import RunningStack

pytestmark = pytest.mark.integration

SAMPLES = CHECKOUT / "samples"
INDEXED_TIMEOUT_S = 60.0

KINDS = [
    ("compost.md", "How often is a hot compost heap turned?"),
    ("fish-soup.txt", "Which fish goes into the soup?"),
    ("first-aid-burns.docx", "What to do when a hand is burned?"),
    ("glacier-retreat.pdf", "How fast is the glacier shrinking?"),
    ("scan-clock-repair.pdf", "Why did the mantel clock stop?"),
    ("cactus.png", "a cactus"),
    ("castle.jpg", "a castle"),
]


def add(stack: RunningStack, collection: str, name: str, data: bytes) -> str:
    """Upload and wait until it is indexed; its id."""
    sent = stack.client.upload(data, name, collection=collection)
    end = stack.client.wait(sent.doc_id, version=sent.version, timeout_s=INDEXED_TIMEOUT_S)
    assert end.state == "indexed", end
    return sent.doc_id


def found(stack: RunningStack, collection: str, query: str) -> list[str]:
    """Documents of a collection that a query finds, best first."""
    response = stack.client.search(query, filter=Filter(collections=(collection,)))
    return list(dict.fromkeys(hit.doc_id for hit in response.hits))


@pytest.fixture(scope="module")
def every_kind(stack: RunningStack) -> dict[str, str]:
    """One document of each kind in a collection of its own: file name to id."""
    return {name: add(stack, "every-kind", name, (SAMPLES / name).read_bytes()) for name, _ in KINDS}


@pytest.mark.parametrize(("name", "query"), KINDS, ids=[name for name, _ in KINDS])
def test_every_kind_of_file_is_found_by_what_is_in_it(
    stack: RunningStack, every_kind: dict[str, str], name: str, query: str
) -> None:
    best = stack.client.search(query, filter=Filter(collections=("every-kind",))).hits[0]
    assert (best.source, best.doc_id) == (name, every_kind[name])


def test_the_status_of_a_document_shows_each_stage(stack: RunningStack, every_kind: dict[str, str]) -> None:
    view = stack.client.document(every_kind["glacier-retreat.pdf"])
    stages = {stage.stage: stage for stage in view.stages}
    assert set(stages) == {"door", "text", "image", "join", "shard"}
    assert {stage.state for stage in view.stages} == {"done"}
    assert (stages["image"].count or 0) >= 2
    assert stages["shard"].revision == 1
    assert view.visible_version == view.version


def test_a_hit_in_a_pdf_names_its_page_and_box_and_links_its_picture(
    stack: RunningStack, every_kind: dict[str, str]
) -> None:
    response = stack.client.search(
        "length of the glacier in kilometres", filter=Filter(collections=("every-kind",), kinds=("picture",))
    )
    best = response.hits[0]
    assert best.source == "glacier-retreat.pdf"
    assert best.page in {1, 2}
    assert best.box is not None
    assert 0 <= best.box[0] < best.box[2] <= 1
    assert best.thumbnail_url is not None
    assert len(stack.client.get_bytes(best.thumbnail_url)) > 500


def test_a_new_version_replaces_the_old_one(stack: RunningStack) -> None:
    first = add(stack, "versions", "note.txt", b"The spare key of the boathouse lies under the third plank.")
    second = add(stack, "versions", "note.txt", b"Rhubarb jam needs one part sugar to two parts of fruit.")
    assert first == second
    response = stack.client.search("rhubarb jam", filter=Filter(collections=("versions",)))
    assert [hit.doc_id for hit in response.hits] == [first]
    assert "Rhubarb" in response.hits[0].text
    assert stack.client.document(first).visible_version == response.hits[0].version


def test_a_deleted_document_is_gone_and_can_come_back(stack: RunningStack) -> None:
    text = b"The lighthouse of Skarholm was lit with rapeseed oil until 1871."
    doc_id = add(stack, "comes-back", "oil.txt", text)
    query = "Which oil burned in the lighthouse of Skarholm?"
    assert found(stack, "comes-back", query) == [doc_id]

    gone = stack.client.delete(doc_id)
    stack.client.wait(doc_id, states={"deleted"}, version=gone.version)
    assert found(stack, "comes-back", query) == []
    assert stack.client.document(doc_id).visible_version is None

    assert add(stack, "comes-back", "oil.txt", text) == doc_id
    # Another question: answers to this one are remembered for some minutes.
    assert found(stack, "comes-back", "oil for the light of Skarholm") == [doc_id]


def test_the_list_shows_the_newest_documents_first_in_pages(
    stack: RunningStack, every_kind: dict[str, str]
) -> None:
    newest = add(stack, "listed", "last.txt", b"Nothing was handed in after this page about kite strings.")
    page = stack.client.documents(limit=3)
    assert page.documents[0].doc_id == newest
    assert page.next_cursor is not None
    following = stack.client.documents(limit=3, cursor=page.next_cursor)
    assert not {view.doc_id for view in page.documents} & {view.doc_id for view in following.documents}


def test_a_document_that_never_was_is_not_found(stack: RunningStack) -> None:
    with pytest.raises(NotFound):
        stack.client.document("00000000-0000-5000-8000-000000000000")
