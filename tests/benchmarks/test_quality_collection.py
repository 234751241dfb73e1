"""The generated collection: seeded, right by construction, in other words than what anything was trained on."""

import re

import pytest

from benchmarks.quality.collection import Collection, Size, collection
from benchmarks.quality.wording import NOTICE, NOTICE_QUESTIONS, PICTURE_QUESTIONS, TOPICS, TRADES
from export.demo_clip.glyphs import ANNOTATIONS, FONT
from export.demo_clip.subjects import FIGURE_TEMPLATES, TEMPLATES

SMALL = Size(subjects=6, notices=30, families=2, asked=10)


@pytest.fixture(scope="module")
def small() -> Collection:
    if not FONT.is_file() or not ANNOTATIONS[0].is_file():
        pytest.skip("the emoji font is not there: run `make system-packages`")
    return collection(1, SMALL)


def _blank(text: str) -> str:
    """A template without its places."""
    return re.sub(r"\{\w+\}", " ", text)


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def test_the_same_seed_gives_the_same_queries_and_another_seed_others(small: Collection) -> None:
    again, other = collection(1, SMALL), collection(2, SMALL)
    assert again.queries == small.queries
    assert [(each.name, len(each.data)) for each in again.documents] == [
        (each.name, len(each.data)) for each in small.documents
    ]
    assert {query.words for query in other.queries} != {query.words for query in small.queries}


def test_every_right_answer_is_a_document_and_names_are_used_once(small: Collection) -> None:
    names = [document.name for document in small.documents]
    assert len(names) == len(set(names)) == 6 * 5 + 30 + 20
    assert all(query.relevant <= set(names) for query in small.queries)
    kinds = [query.kind for query in small.queries]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "words": 10,
        "pictures": 6,
        "both": 10,
        "identifiers": 10,
    }


def test_what_shows_a_thing_answers_for_its_picture_and_one_of_them_for_its_topic(small: Collection) -> None:
    for query in small.queries:
        if query.kind == "pictures":
            numbers = {name.split("-")[1].removesuffix(".png") for name in query.relevant}
            assert (len(numbers), len(query.relevant)) == (1, 5)
            assert (query.words is None) != (query.picture is None)
        if query.kind == "both":
            assert len(query.relevant) == 1
            assert query.words is not None
            assert query.picture is not None


def test_a_notice_is_right_for_its_town_and_its_trade_alone(small: Collection) -> None:
    texts = {
        document.name: document.data.decode() for document in small.documents if document.name.endswith(".md")
    }
    for query in small.queries:
        if query.kind == "words":
            [name] = query.relevant
            town = next(town for town in re.findall(r"[A-Z][a-z]+", query.words or "") if town in texts[name])
            trade = next(trade for trade, other in TRADES if other in (query.words or ""))
            matching = [each for each, text in texts.items() if f"The {trade} in {town} " in text]
            assert matching == [name]


def test_questions_share_no_words_with_the_documents_that_answer_them() -> None:
    for topic in TOPICS:
        assert not words(topic.text) & words(topic.question), topic.question
    for question in NOTICE_QUESTIONS:
        assert not words(_blank(NOTICE)) & words(_blank(question)), question
    for trade, other in TRADES:
        assert not words(trade) & words(other)


def test_questions_for_pictures_are_no_captions_of_the_training() -> None:
    assert not set(PICTURE_QUESTIONS) & {
        template.replace("{}", "{name}") for template in TEMPLATES + FIGURE_TEMPLATES
    }
