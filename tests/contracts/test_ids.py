import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import document_id, partition_of, shard_of, version_of


@pytest.mark.parametrize(
    ("key", "murmur2"),
    # Expected values of org.apache.kafka.common.utils.UtilsTest.testMurmur2.
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_partition_equals_that_of_kafkas_java_client(key: str, murmur2: int) -> None:
    assert partition_of(key, 12) == (murmur2 & 0x7FFFFFFF) % 12


@given(st.uuids(), st.integers(1, 64))
def test_a_new_shard_only_takes_documents_and_never_shuffles_the_rest(doc: uuid.UUID, n: int) -> None:
    before, after = shard_of(str(doc), n), shard_of(str(doc), n + 1)
    assert 0 <= before < n
    assert after in {before, n}


def test_documents_spread_evenly_over_three_shards() -> None:
    counts = [0, 0, 0]
    for i in range(6000):
        counts[shard_of(document_id("t", "c", f"file-{i}"), 3)] += 1
    assert min(counts) > 1850


@given(st.integers(1, 1000), st.integers(0, 2**40 - 1), st.integers(0, 2**40 - 1))
def test_any_version_of_a_later_log_epoch_is_newer(epoch: int, offset: int, other: int) -> None:
    assert version_of(epoch + 1, offset) > version_of(epoch, other)
    assert (version_of(epoch, offset) > version_of(epoch, other)) == (offset > other)


def test_a_document_is_the_same_only_with_same_tenant_collection_and_name() -> None:
    ids = {document_id(t, c, k) for t in "ab" for c in "ab" for k in "ab"}
    assert len(ids) == 8
    assert document_id("a", "b", "c") == document_id("a", "b", "c")
