"""Events about objects that lie in the store already, or have left it. Pure, but for the time that is shown."""

from typing import Literal

import msgspec

from contracts.documents import FileAdded, file_added
from contracts.keys import ObjectPlace
from contracts.media import EXTENSIONS, extension_of
from ingest.clock import now_ms
from runtime.object_store import ObjectMeta

UNKNOWN_TYPE = "application/octet-stream"
# What S3 and its clients call objects that nobody gave a type.
_NO_TYPES = frozenset({"", UNKNOWN_TYPE, "binary/octet-stream"})


def added(place: ObjectPlace, meta: ObjectMeta, *, lane: Literal["live", "bulk"] = "live") -> FileAdded:
    """The event that this object is there. Its type is a guess: readers judge by the content."""
    told = meta.attributes.get("Content-Type", "")
    named = EXTENSIONS.get(extension_of(place.source_key), UNKNOWN_TYPE)
    return file_added(
        place.source_key,
        uri=meta.key,
        etag=meta.etag,
        content_type=named if told in _NO_TYPES else told,
        size_bytes=meta.size_bytes,
        at_ms=now_ms(),
        tenant=place.tenant,
        collection=place.collection,
        lane=lane,
    )


def deleted(place: ObjectPlace, key: str) -> FileAdded:
    """The event that the object of this document has gone."""
    event = file_added(
        place.source_key,
        uri=key,
        etag=None,
        content_type=EXTENSIONS.get(extension_of(place.source_key), UNKNOWN_TYPE),
        size_bytes=0,
        at_ms=now_ms(),
        tenant=place.tenant,
        collection=place.collection,
    )
    return msgspec.structs.replace(event, event="deleted")
