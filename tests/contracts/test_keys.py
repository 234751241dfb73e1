from pathlib import Path

import pytest

from contracts.errors import InvalidInput
from contracts.keys import object_key
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
