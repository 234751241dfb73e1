from pathlib import Path

import msgspec
import pytest

from contracts.documents import FileAdded
from contracts.errors import NotFound
from ingest.cleanup import Cleaner
from runtime.object_store import ObjectStore
from tests.ingest.samples import VERSION, document


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}")


async def delete_of_what_is_there(store: ObjectStore, at_ms: int) -> FileAdded:
    """A file, and the event of its delete as a door with such a clock would write it."""
    event = document()
    await store.put(event.uri, b"bytes")
    meta = await store.head(event.uri)
    return msgspec.structs.replace(
        event, event="deleted", etag=meta.etag, modified_ms=meta.modified_ms, size_bytes=0, at_ms=at_ms
    )


@pytest.mark.parametrize("at_ms", [0, 10**15])
async def test_a_deleted_file_goes_whatever_the_clock_of_the_door_says(store: ObjectStore, at_ms: int) -> None:
    event = await delete_of_what_is_there(store, at_ms)
    await Cleaner(store).erase(event, VERSION, generations=[], spaces=[])
    with pytest.raises(NotFound):
        await store.head(event.uri)


@pytest.mark.parametrize("at_ms", [0, 10**15])
async def test_a_second_upload_of_the_same_bytes_is_spared(store: ObjectStore, at_ms: int) -> None:
    event = await delete_of_what_is_there(store, at_ms)
    assert event.modified_ms is not None
    older = msgspec.structs.replace(event, modified_ms=event.modified_ms - 1000)
    await Cleaner(store).erase(older, VERSION, generations=[], spaces=[])
    assert await store.get(event.uri) == b"bytes"
