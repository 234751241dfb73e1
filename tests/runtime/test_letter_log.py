"""Dead letters read from a real broker: with bounds, by document and by time, with what ended them."""

import itertools

import pytest

from contracts.documents import DeadLetter
from contracts.errors import DeadlineExceeded, DependencyDown
from contracts.ids import partition_of
from contracts.letters import LetterEnded, LetterFilter, LetterPlace
from contracts.topics import DEAD_LETTERS
from runtime.kafka_producer import KafkaProducer
from runtime.letter_log import LetterLog
from tests.gateway.conftest import kafka as kafka

pytestmark = pytest.mark.integration

WAIT_S = 30.0
_tenants = itertools.count()


def letter(tenant: str, doc_id: str, **fields: object) -> DeadLetter:
    values = {"version": 1, "stage": "text", "cause": "corrupt", "reason": "Damaged.", "attempt": 1}
    values |= {"trace_id": None, "uri": "objects/x", "origin_topic": "file_added", "payload": b"{}", "at_ms": 1000}
    return DeadLetter(tenant=tenant, doc_id=doc_id, **values | fields)  # type: ignore[arg-type]


class Topic:
    """Letters of a tenant of one test's own."""

    def __init__(self, bootstrap: str) -> None:
        self.tenant = f"letters-{next(_tenants)}"
        self.log = LetterLog(bootstrap, "test")
        self.producer = KafkaProducer(bootstrap, "test")

    def write(self, doc_id: str, **fields: object) -> LetterPlace:
        sent = self.producer.send(DEAD_LETTERS, letter(self.tenant, doc_id, **fields), key=doc_id).result(WAIT_S)
        return LetterPlace(sent.partition, sent.offset)

    def end(self, place: LetterPlace, doc_id: str) -> None:
        ended = LetterEnded(
            tenant=self.tenant,
            ended="discarded",
            offset=place.offset,
            doc_id=doc_id,
            version=1,
            stage="text",
            at_ms=2000,
            by="local",
        )
        self.producer.send(DEAD_LETTERS, ended, key=doc_id, partition=place.partition).result(WAIT_S)

    def wanted(self, **fields: object) -> LetterFilter:
        return LetterFilter(tenant=self.tenant, **fields)  # type: ignore[arg-type]


@pytest.fixture
def topic(kafka: str) -> Topic:
    return Topic(kafka)


def test_letters_of_all_partitions_are_read_with_what_ended_them(topic: Topic) -> None:
    places = {doc_id: topic.write(doc_id) for doc_id in (f"doc-{n}" for n in range(30))}
    topic.end(places["doc-3"], "doc-3")
    reading = topic.log.read(topic.wanted(), timeout_s=WAIT_S)
    assert {kept.place for kept in reading.letters} == set(places.values())
    assert {kept.letter.doc_id for kept in reading.letters if kept.state == "discarded"} == {"doc-3"}
    assert reading.complete


def test_one_documents_letters_are_found_in_its_partition(topic: Topic) -> None:
    place = topic.write("this-one")
    topic.write("another")
    assert place.partition == partition_of("this-one", 12)
    reading = topic.log.read(topic.wanted(doc_id="this-one"), timeout_s=WAIT_S)
    assert [kept.place for kept in reading.letters] == [place]


def test_a_reading_that_is_bounded_has_the_newest_and_says_that_it_is_not_all(topic: Topic) -> None:
    for n in range(40):
        topic.write("many", version=n)
    reading = topic.log.read(topic.wanted(doc_id="many"), timeout_s=WAIT_S, most_records=5)
    assert sorted(kept.letter.version for kept in reading.letters) == [35, 36, 37, 38, 39]
    assert not reading.complete


def test_letters_of_a_time_to_come_are_none(topic: Topic) -> None:
    topic.write("now")
    reading = topic.log.read(topic.wanted(since_ms=2**52), timeout_s=WAIT_S)
    assert (reading.letters, reading.complete) == ([], True)


def test_one_letter_is_got_by_its_place_and_nothing_where_there_is_none(topic: Topic) -> None:
    place = topic.write("one", reason="Quite damaged.")
    topic.end(place, "one")
    kept = topic.log.get(place, timeout_s=WAIT_S)
    assert kept is not None
    assert (kept.letter.reason, kept.state) == ("Quite damaged.", "discarded")
    assert topic.log.get(LetterPlace(place.partition, place.offset + 1), timeout_s=WAIT_S) is None
    assert topic.log.get(LetterPlace(place.partition, 10**9), timeout_s=WAIT_S) is None
    assert topic.log.get(LetterPlace(99, 0), timeout_s=WAIT_S) is None


def test_reading_gives_up_at_its_deadline(topic: Topic) -> None:
    topic.write("late")
    with pytest.raises((DeadlineExceeded, DependencyDown)):
        topic.log.read(topic.wanted(), timeout_s=0.0)
