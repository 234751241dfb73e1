"""Searches and answers through the whole stack, all parts well."""

from __future__ import annotations

import base64
import uuid

import httpx
import pytest

from client.answers import AnswerDelta, AnswerDocuments, AnswerDone
from contracts.joint import Weights
from contracts.search import Filter
from stack.home import CHECKOUT
from tests.integration.test_documents import add
from tests.running_stack import RunningStack

pytestmark = pytest.mark.integration

SAMPLES = CHECKOUT / "samples"
PICTURES = CHECKOUT / "benchmarks" / "quality" / "queries"
COLLECTION = "searched"
ONLY = Filter(collections=(COLLECTION,))
FILES = ("bicycle-gears.pdf", "stable-rules.docx", "rocket.png", "octopus.png", "varroa-treatment.pdf", "knots.md")


@pytest.fixture(scope="module", autouse=True)
def documents(stack: RunningStack) -> dict[str, str]:
    """A handful of samples: file name to document id."""
    return {name: add(stack, COLLECTION, name, (SAMPLES / name).read_bytes()) for name in FILES}


def test_words_find_text(stack: RunningStack) -> None:
    response = stack.client.search("which knot joins two ropes", filter=ONLY)
    assert response.hits[0].source == "knots.md"
    assert response.hits[0].kind == "text"


def test_words_find_a_picture_without_any_text(stack: RunningStack) -> None:
    response = stack.client.search("an octopus", filter=ONLY)
    assert response.hits[0].source == "octopus.png"


def test_a_picture_finds_a_picture(stack: RunningStack) -> None:
    response = stack.client.search(image=(PICTURES / "rocket.png").read_bytes(), filter=ONLY)
    assert (response.hits[0].source, response.hits[0].kind) == ("rocket.png", "picture")


def test_words_and_a_picture_together_find_what_neither_finds_alone(stack: RunningStack) -> None:
    picture = (PICTURES / "horse.png").read_bytes()
    response = stack.client.search("What has to be checked before mounting?", image=picture, filter=ONLY)
    best = response.hits[0]
    assert best.source == "stable-rules.docx"
    assert min(best.text_score, best.image_score) > 0.05


def test_weights_change_a_ranking_without_re_indexing(stack: RunningStack) -> None:
    picture = (PICTURES / "rocket.png").read_bytes()
    words = "mites in a beehive"
    for_words = stack.client.search(words, image=picture, weights=Weights(1, 1, 0), filter=ONLY)
    for_pictures = stack.client.search(words, image=picture, weights=Weights(0, 0, 1), filter=ONLY)
    assert for_words.hits[0].source == "varroa-treatment.pdf"
    assert for_pictures.hits[0].source == "rocket.png"


def test_a_hits_score_is_the_sum_of_its_parts_and_hits_come_best_first(stack: RunningStack) -> None:
    hits = stack.client.search("a horse that is ridden", filter=ONLY).hits
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        by_words = Weights().lexical * hit.lexical_score
        assert hit.score == pytest.approx(hit.text_score + hit.image_score + by_words, abs=1e-4)


def test_filters_leave_out_what_does_not_match(stack: RunningStack) -> None:
    only_pictures = stack.client.search("gears", filter=Filter(collections=(COLLECTION,), kinds=("picture",)))
    assert {hit.kind for hit in only_pictures.hits} == {"picture"}
    nothing = stack.client.search("gears", filter=Filter(collections=("no-such-collection",)))
    assert nothing.hits == []
    assert nothing.coverage.answered == nothing.coverage.of == 3


def test_a_response_names_coverage_server_timings_and_trace(stack: RunningStack) -> None:
    response = stack.client.search(f"something new {uuid.uuid4()}", filter=ONLY)
    assert (response.coverage.answered, response.coverage.of) == (3, 3)
    assert response.served_by == "index"
    assert {"encode", "kafka", "faiss", "merge", "total"} <= response.timings_ms.keys()
    assert len(response.trace_id) == 32
    assert response.generation == stack.state().generation
    assert response.degraded == []


def test_the_same_question_again_comes_from_the_cache(stack: RunningStack) -> None:
    question = f"how is a derailleur adjusted {uuid.uuid4()}"
    first = stack.client.search(question, filter=ONLY)
    again = stack.client.search(question, filter=ONLY)
    assert (first.served_by, again.served_by) == ("index", "cache")
    assert again.cache_age_s is not None
    assert [hit.item_id for hit in again.hits] == [hit.item_id for hit in first.hits]


def test_a_cached_answer_loses_the_hits_of_a_document_deleted_meanwhile(stack: RunningStack) -> None:
    doc_id = add(stack, "cached-then-gone", "bell.txt", b"The bell of Saint Orso weighs nine hundred kilograms.")
    only = Filter(collections=("cached-then-gone",))
    question = "How heavy is the bell of Saint Orso?"
    assert [hit.doc_id for hit in stack.client.search(question, filter=only).hits] == [doc_id]
    gone = stack.client.delete(doc_id)
    stack.client.wait(doc_id, states={"deleted"}, version=gone.version)
    assert stack.client.search(question, filter=only).hits == []


def test_an_answer_quotes_its_sources(stack: RunningStack) -> None:
    answer = stack.client.answer("At what fall of mites a day should treatment begin?", filter=ONLY)
    assert answer.found
    assert answer.generator == "extractive"
    assert "[1]" in answer.answer
    texts = {hit.doc_id: hit.text for hit in answer.documents}
    for citation in answer.citations:
        assert citation.source == "varroa-treatment.pdf"
        assert citation.doc_id in texts


def test_a_streamed_answer_begins_with_the_documents_and_ends_with_the_whole(stack: RunningStack) -> None:
    events = list(stack.client.stream_answer("At what fall of mites a day should treatment begin?"))
    assert isinstance(events[0], AnswerDocuments)
    assert isinstance(events[-1], AnswerDone)
    written = "".join(event.text for event in events if isinstance(event, AnswerDelta))
    assert written.strip()
    assert events[-1].response.citations


def test_one_document_has_one_place_where_hits_are_grouped(stack: RunningStack) -> None:
    asked = {
        "query": "mites in a beehive",
        "k": 3,
        "group_by": "document",
        "filter": {"collections": [COLLECTION]},
    }
    batch = {"searches": [asked, {**asked, "group_by": None, "k": 1000}]}
    grouped, flat = (
        result["response"]["hits"]
        for result in httpx.post(f"{stack.url}/v1/search/batch", json=batch).json()["results"]
    )
    assert len({hit["doc_id"] for hit in grouped}) == len(grouped) == 3
    assert [hit["doc_id"] for hit in grouped] == list(dict.fromkeys(hit["doc_id"] for hit in flat))[:3]
    assert "mite" in grouped[0]["snippet"].lower()


def test_two_pictures_are_asked_with_and_one_may_count_against(stack: RunningStack) -> None:
    rocket, octopus = (
        base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
        for folder, name in ((PICTURES, "rocket"), (SAMPLES, "octopus"))
    )
    asked = {"k": 20, "filter": {"collections": [COLLECTION], "kinds": ["picture"]}}
    ranks = []
    for weight in (1, -1):
        body = {**asked, "images": [rocket, {"image": octopus, "weight": weight}]}
        hits = httpx.post(f"{stack.url}/v1/search", json=body).json()["hits"]
        assert hits[0]["thumbnail_url"]
        ranks.append(next(hit["rank"] for hit in hits if hit["source"] == "octopus.png"))
    assert ranks[0] <= 2 < ranks[1]
