from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidInput
from contracts.keys import ObjectPlace, object_key, read_object_key
from runtime.object_store import ObjectStore

LONG_NAMES = ["漢" * 100 + ".txt", "漢" * 100 + ".pdf", "a" * 300, "б" * 60, "😀" * 40, "x/" + "漢" * 60 + "/y"]


async def test_long_names_in_any_script_can_be_stored_and_stay_apart(tmp_path: Path) -> None:
    store = ObjectStore.from_url(f"file://{tmp_path}")
    keys = [object_key("t", "漢" * 128, name) for name in LONG_NAMES]
    for key, name in zip(keys, LONG_NAMES, strict=True):
        await store.put(key, name.encode())
    assert [await store.get(key) for key in keys] == [name.encode() for name in LONG_NAMES]
    assert max(len(key) for key in keys) <= 1024


def test_a_short_name_is_readable_in_its_key() -> None:
    assert object_key("t", "c", "manuals/pump (2).pdf") == "objects/t/c/manuals/pump (2).pdf"


@pytest.mark.parametrize("name", ["", "/", "a/../b", "x" * 701, "half \ud800 a character", "漢/" * 300])
def test_a_name_that_no_store_can_hold_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        object_key("t", "c", name)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=12)
parts = names.filter(lambda part: part not in {".", ".."})


@given(parts, parts, st.lists(parts, min_size=1, max_size=4))
def test_the_names_of_a_document_are_read_back_from_its_key(tenant: str, collection: str, path: list[str]) -> None:
    place = ObjectPlace(tenant, collection, "/".join(path))
    assert read_object_key(object_key(*place)) == place


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("objects/t/c/Übersicht.pdf", "Übersicht.pdf"),
        ("objects/t/c/100%.txt", "100%.txt"),
        ("objects/t/c/a&b/c%20d.txt", "a&b/c%20d.txt"),
        ("objects/t/c/Fu%C3%9F.txt", "Fuß.txt"),
    ],
)
def test_a_key_that_somebody_else_gave_is_read_as_it_stands(key: str, name: str) -> None:
    assert read_object_key(key) == ObjectPlace("t", "c", name)


def test_a_name_that_was_too_long_for_its_key_is_not_guessed() -> None:
    assert read_object_key(object_key("t", "c", "漢" * 100)) is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        "items/g/x",
        "objects/t",
        "objects/t/c",
        "objects/t/c/",
        "objects/t//a",
        "objects/t/c/a//b",
        "objects/t/c/../b",
    ],
)
def test_what_is_no_document_s_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        read_object_key(key)
