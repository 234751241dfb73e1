import msgspec
import pytest

from contracts.codec import decode, encode
from contracts.documents import FileAdded, file_added
from contracts.errors import BadMessage
from contracts.search import Filter, SearchRequest


def an_event() -> FileAdded:
    return file_added("a/b.pdf", uri="objects/x", etag="e", content_type="application/pdf", size_bytes=3, at_ms=5)


def test_a_record_survives_the_wire_in_json_and_in_msgpack() -> None:
    request = SearchRequest(
        tenant="t",
        correlation_id="n-1",
        reply_partition=0,
        deadline_ms=1,
        space_id="s",
        generation="g",
        vector=b"\x00\x01",
        text_dim=384,
        k=10,
        filter=Filter(kinds=("picture",)),
    )
    assert decode(SearchRequest, encode(request)) == request
    assert decode(FileAdded, encode(an_event())) == an_event()


def test_fields_of_a_newer_writer_are_ignored() -> None:
    fields = msgspec.json.decode(encode(an_event())) | {"colour": "blue"}
    assert decode(FileAdded, msgspec.json.encode(fields)) == an_event()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"null", encode(an_event())[:-5], encode(an_event()).replace(b'"added"', b'"moved"')]
)
def test_a_damaged_record_is_a_bad_message(damage: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(FileAdded, damage)


def test_a_schema_from_the_future_is_refused() -> None:
    fields = msgspec.json.decode(encode(an_event())) | {"schema": 99}
    with pytest.raises(BadMessage, match="schema 99"):
        decode(FileAdded, msgspec.json.encode(fields))
