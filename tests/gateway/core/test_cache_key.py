import msgspec
import pytest

from contracts.joint import Weights
from contracts.search import Filter
from gateway.core.cache_key import CACHED_K, cache_key
from gateway.core.query import QueryPicture, SearchQuery, normalised
from tests.gateway.searching import picture

BASE = SearchQuery(
    words="red pump", pictures=(picture(1),), k=5, weights=Weights(), filter=Filter(kinds=("text",))
)


def key(query: SearchQuery, variant: str = "full", generation: str = "g1") -> str | None:
    return cache_key(query, variant=variant, generation=generation)


def changed(**fields: object) -> SearchQuery:
    values = {name: getattr(BASE, name) for name in BASE.__dataclass_fields__}
    return SearchQuery(**values | fields)


@pytest.mark.parametrize(
    "other",
    [
        changed(tenant="another"),
        changed(words="red pumps"),
        changed(words=None),
        changed(pictures=(picture(2),)),
        changed(pictures=()),
        changed(k=6),
        changed(weights=Weights(text_image=0.5)),
        changed(filter=Filter()),
        changed(filter=Filter(kinds=("text",), added_after_ms=1)),
    ],
)
def test_whatever_decides_the_answer_decides_the_key(other: SearchQuery) -> None:
    assert key(other) != key(BASE)


def test_variant_and_generation_decide_the_key() -> None:
    assert len({key(BASE), key(BASE, variant="distilled"), key(BASE, generation="g2")}) == 3


def test_equal_searches_have_equal_keys() -> None:
    same = QueryPicture(picture(9).pixels, picture(1).sha256, picture(1).space_id)
    assert key(changed(pictures=(same,))) == key(BASE)


def test_the_order_of_a_filters_values_does_not_matter() -> None:
    one = changed(filter=Filter(collections=("a", "b"), doc_ids=("x", "y")))
    two = changed(filter=Filter(collections=("b", "a"), doc_ids=("y", "x")))
    assert key(one) == key(two)


def test_the_traffic_tier_is_not_part_of_the_key_because_the_variant_is() -> None:
    assert key(changed(tier="high-value")) == key(BASE)


def test_long_lists_have_no_key() -> None:
    assert key(changed(k=CACHED_K)) is not None
    assert key(changed(k=CACHED_K + 1)) is None


def test_the_key_names_the_tenant_and_hides_the_question() -> None:
    found = key(changed(tenant="acme"))
    assert found is not None
    assert found.startswith("search:acme:")
    assert "pump" not in found


def test_every_field_of_a_filter_is_in_the_key() -> None:
    for field in msgspec.structs.fields(Filter):
        value = 7 if field.name.endswith("_ms") else ("text",)
        one = msgspec.structs.replace(Filter(), **{field.name: value})
        assert key(changed(filter=one)) != key(changed(filter=Filter()))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("  red \t pump\n", "red pump"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("US and us", "US and us"),
        (" \n ", ""),
    ],
)
def test_words_are_brought_into_one_form_of_writing(given: str, expected: str) -> None:
    assert normalised(given) == expected
