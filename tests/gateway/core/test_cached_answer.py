from contracts.codec import decode, encode
from gateway.core.cached_answer import CachedAnswer
from tests.gateway.fakes import text_item


def kept() -> CachedAnswer:
    hits = tuple(text_item(f"doc-{n}", "t0", "words", version=10 + n).hit for n in range(3))
    return CachedAnswer(
        tenant="default", stored_ms=1_000_000, hits=hits, n_shards=3, variant="full", generation="g"
    )


def test_hits_of_a_deleted_document_are_left_out() -> None:
    left = kept().without({"doc-1": 11})
    assert [hit.doc_id for hit in left.hits] == ["doc-0", "doc-2"]


def test_a_version_newer_than_the_delete_stays() -> None:
    assert kept().without({"doc-1": 10}) == kept()


def test_it_survives_being_kept_as_bytes() -> None:
    assert decode(CachedAnswer, encode(kept())) == kept()


def test_its_age_is_never_negative_however_clocks_differ() -> None:
    assert kept().age_s(1_005.0) == 5.0
    assert kept().age_s(999.0) == 0.0
