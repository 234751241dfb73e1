import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import decode, encode
from contracts.errors import BadMessage, InvalidInput
from contracts.items import INLINE_LIMIT_BYTES, ClaimCheck, Item, ItemSet, read_claim, truncate_utf8, upsert
from contracts.keys import object_key
from contracts.topics import fixed_topics, generation_topics


def item_set(n: int) -> ItemSet:
    items = tuple(Item(item_id=f"t{i}", kind="text", vector=bytes(1536), text="words") for i in range(n))
    return ItemSet(
        tenant="t",
        doc_id="d",
        version=1,
        revision=1,
        generation="g",
        space_id="s",
        collection="c",
        source_key="k",
        content_type="text/plain",
        added_ms=0,
        items=items,
    )


def test_small_item_sets_travel_inside_the_record() -> None:
    update = upsert(item_set(3), "items/g/d/1.1")
    assert update.claim is None
    assert update.inline is not None
    assert decode(ItemSet, update.inline) == item_set(3)


def test_large_item_sets_leave_a_claim_check_that_is_verified() -> None:
    large = item_set(INLINE_LIMIT_BYTES // 1500)
    update = upsert(large, "items/g/d/1.1")
    assert update.inline is None
    assert update.claim is not None
    assert read_claim(update.claim, encode(large)) == large
    with pytest.raises(BadMessage):
        read_claim(update.claim, encode(large)[:-1] + b"\x00")


def test_a_claim_with_the_right_hash_of_rubbish_is_a_bad_message() -> None:
    claim = ClaimCheck(key="k", sha256=hashlib.sha256(b"rubbish").hexdigest(), size_bytes=7)
    with pytest.raises(BadMessage):
        read_claim(claim, b"rubbish")


@given(st.text(), st.integers(0, 40))
def test_truncation_keeps_a_prefix_of_whole_characters(text: str, limit: int) -> None:
    cut = truncate_utf8(text, limit)
    assert text.startswith(cut)
    assert len(cut.encode()) <= max(limit, 0)


@pytest.mark.parametrize("name", ["", "..", "a/../b", "x" * 701, "/"])
def test_object_keys_cannot_leave_their_prefix(name: str) -> None:
    with pytest.raises(InvalidInput):
        object_key("t", "c", name)


@given(st.text(min_size=1, max_size=50), st.text(min_size=1, max_size=50))
def test_two_tenants_never_share_an_object(a: str, b: str) -> None:
    if a != b:
        assert object_key(a, "c", "k") != object_key(b, "c", "k")
    assert object_key(a, "c", "k").count("/") == 3


def test_topic_names_are_unique_and_partition_counts_as_promised() -> None:
    topics = {spec.name: spec for spec in (*fixed_topics(), *generation_topics("g", 3))}
    assert len(topics) == len(fixed_topics()) + 2
    assert topics["file_added"].partitions == topics["bulk.text"].partitions == 24
    assert topics["index_updates.g"].partitions == 3
    assert topics["index_updates.g"].config()["cleanup.policy"] == "delete"
    assert topics["document_status"].config() == {"cleanup.policy": "compact"}
