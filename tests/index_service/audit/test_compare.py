"""What counts as a difference between a shard, the object store and the log."""

import pytest

from contracts.ids import shard_of
from contracts.index_door import DocumentHead
from index_service.audit.compare import compare
from tests.index_service.building import doc

MINE = doc(1)


def head(version, revision=1, op="upsert", *, vectors="v", payload="p"):
    live = op == "upsert"
    return DocumentHead(
        doc_id=MINE,
        version=version,
        revision=revision,
        op=op,
        items=3 if live else 0,
        vectors_sha256=vectors if live else None,
        payload_sha256=payload if live else None,
    )


def kinds(held=None, stored=None, logged=None, *, unreadable=()):
    sides = ({MINE: one} if one is not None else {} for one in (held, stored, logged))
    return [one.kind for one in compare(0, 1, *sides, frozenset(unreadable))]


CASES = {
    "all agree": (head(5), head(5), head(5), []),
    "the log has forgotten it": (head(5), head(5), None, []),
    "a claim has no sums": (head(5), head(5), head(5, vectors=None, payload=None), []),
    "removed everywhere": (head(6, op="delete"), None, head(6, op="delete"), []),
    "a tombstone outlives the log": (head(6, op="delete"), None, None, []),
    "expired": (head(5, 2, "expire"), None, head(5, 2, "expire"), []),
    "never applied": (None, head(5), head(5), ["missing"]),
    "never applied, the log has forgotten it": (None, head(5), None, ["missing"]),
    "from nowhere": (head(5), None, None, ["extra"]),
    "an older version": (head(4), head(5), head(5), ["other_version"]),
    "an older revision": (head(5, 0), head(5), None, ["other_version"]),
    "newer than all": (head(6), head(5), head(5), ["other_version"]),
    "other vectors than stored": (head(5, vectors="x"), head(5), None, ["other_vectors"]),
    "other vectors than sent": (head(5), head(5), head(5, vectors="x"), ["other_vectors"]),
    "another text": (head(5, payload="x"), head(5), head(5), ["other_payload"]),
    "a delete missed": (head(5), None, head(6, op="delete"), ["not_removed", "not_stored"]),
    "an expiry missed": (head(5), head(5), head(5, 2, "expire"), ["not_removed", "left_in_store"]),
    "a delete never heard of": (None, None, head(6, op="delete"), ["missing_tombstone"]),
    "an upload after the delete missed": (head(6, op="delete"), head(7), head(7), ["stale_tombstone"]),
    "an upload after the expiry missed": (head(5, 2, "expire"), head(7), None, ["stale_tombstone"]),
    "items that a rebuild would bring back": (head(6, op="delete"), head(5), None, ["left_in_store"]),
    "items that were lost": (head(5), None, head(5), ["not_stored"]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_difference_is_told(case):
    held, stored, logged, expected = CASES[case]
    assert kinds(held, stored, logged) == expected


def test_items_that_no_shard_would_take_are_told_once():
    assert kinds(head(5), None, head(5), unreadable=[MINE]) == ["unreadable_items"]


def test_a_document_in_the_wrong_shard_is_told():
    [one] = compare(1 - shard_of(MINE, 2), 2, {MINE: head(5)}, {}, {})
    assert (one.kind, one.doc_id, one.held) == ("wrong_shard", MINE, head(5))
