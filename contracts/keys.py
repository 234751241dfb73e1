"""Where everything lies in the object store. One function a prefix; each prefix has one writer and a lifetime.

| prefix         | written by     | lives until                                             |
|----------------|----------------|---------------------------------------------------------|
| `objects/`     | the doors      | the document is deleted or expires                      |
| `halves/`      | the embedders  | superseded or deleted; the last index of its space ends |
| `items/`       | joint updater  | superseded by a newer version or revision, or deleted   |
| `derived/`     | vision embedder| the document is deleted (pictures and thumbnails)       |
| `batches/`     | batch jobs     | the log's records that name them expire                 |
| `trained/`     | the shards     | its generation is retired                               |
| `snapshots/`   | the shards     | two newer ones exist                                    |
| `checkpoints/` | log epoch, batch jobs, embedders | the log, the job or the half is done          |
"""

import hashlib
import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from contracts.errors import InvalidInput

LOG_EPOCH_KEY = "checkpoints/log_epoch.json"

# A file name on a local disk has at most 255 bytes, a key on S3 at most 1024; a Chinese character takes nine.
_PART_LIMIT_BYTES = 200
_PATH_LIMIT_BYTES = 900
_PATH_SAFE = " ()+,;=@~"
_SHORTENED = re.compile("~[0-9a-f]{64}$")


def object_key(tenant: str, collection: str, source_key: str) -> str:
    """Key of an uploaded document's bytes, such as any store can hold.

    Raises:
        InvalidInput: a name that is empty, too long, no proper text, or that has a '.' or '..' part.
    """
    return f"objects/{_part(tenant)}/{_part(collection)}/{_path(source_key)}"


class ObjectPlace(NamedTuple):
    """Whose document an object is, and its name."""

    tenant: str
    collection: str
    source_key: str


def read_object_key(key: str) -> ObjectPlace | None:
    """The names behind a document's key, also one that somebody else gave, such as "objects/t/c/Übersicht.pdf".

    Percent signs are read as `object_key` writes them, and taken as they are where it would not. None where the
    name was too long for the key: whoever stored it knows it, the key does not.

    Raises:
        InvalidInput: not the key of a document, or a name that no document can have.
    """
    kind, _, rest = key.partition("/")
    tenant, _, rest = rest.partition("/")
    collection, _, path = rest.partition("/")
    parts = path.split("/")
    if kind != "objects" or not tenant or not collection or not all(parts):
        raise InvalidInput("A document's key has the form objects/TENANT/COLLECTION/NAME, no part of it empty.")
    if any(_SHORTENED.search(part) for part in (tenant, collection, *parts)):
        return None
    names = [
        _unquoted(tenant, ""),
        _unquoted(collection, ""),
        "/".join(_unquoted(part, _PATH_SAFE) for part in parts),
    ]
    place = ObjectPlace(*names)
    object_key(*place)
    return place


def half_key(space_id: str, doc_id: str, version: int, half: str) -> str:
    """Key of one embedder's half; `half` is "text" or "image"."""
    return f"halves/{space_id}/{doc_id}/{version}/{half}"


def halves_prefix(space_id: str) -> str:
    """Prefix of all halves of a joint space."""
    return f"halves/{space_id}/"


def item_key(generation: str, doc_id: str, version: int, revision: int) -> str:
    """Key of a document's joint items in one generation."""
    return f"items/{generation}/{doc_id}/{version}.{revision}"


def item_prefix(generation: str, doc_id: str | None = None) -> str:
    """Prefix under which a generation's items (of one document) are listed."""
    return f"items/{generation}/{doc_id}/" if doc_id else f"items/{generation}/"


class ItemPlace(NamedTuple):
    """What the key of an item set says."""

    doc_id: str
    version: int
    revision: int

    @property
    def order(self) -> tuple[int, int]:
        """(version, revision): the higher one is the newer."""
        return self.version, self.revision


def read_item_key(key: str) -> ItemPlace | None:
    """The place that `item_key` wrote into a key; None for a key of another form."""
    doc_id, _, order = "/".join(key.rsplit("/", 2)[1:]).partition("/")
    version, _, revision = order.partition(".")
    if not (doc_id and version.isdigit() and revision.isdigit()):
        return None
    return ItemPlace(doc_id, int(version), int(revision))


def embedding_checkpoint_key(doc_id: str, version: int, stage: str) -> str:
    """Key of what an embedder has made of a document that it could not finish; `stage` is "text" or "image"."""
    return f"checkpoints/embedding/{doc_id}/{version}/{stage}"


def backfill_key(generation: str) -> str:
    """Key of what a backfill of this generation remembers between two runs."""
    return f"checkpoints/backfill/{generation}.json"


def backfill_pause_key(generation: str) -> str:
    """Key of the object that holds a backfill still for as long as it is there."""
    return f"checkpoints/backfill/{generation}.paused"


def batches_prefix(generation: str) -> str:
    """Prefix of the columnar files that batch jobs bring to a generation's shards."""
    return f"batches/{generation}/"


def batch_file_key(generation: str, batch_id: str, shard: int) -> str:
    """Key of one batch's items for one shard."""
    return f"{batches_prefix(generation)}{batch_id}/{shard}.parquet"


def batch_checkpoint_key(job: str, number: int) -> str:
    """Key of what a batch job remembers of one of its batches."""
    return f"checkpoints/batch/{job}/{number}.json"


def trained_prefix(generation: str) -> str:
    """Prefix of a generation's trained indexes."""
    return f"trained/{generation}/"


def trained_index_key(generation: str, space_id: str, kind: str) -> str:
    """Key of the trained, empty index that segments of one kind start from."""
    return f"{trained_prefix(generation)}{space_id}/{kind}"


def picture_key(doc_id: str, version: int, ordinal: int) -> str:
    """Key of a picture taken out of a document (WebP or JPEG, as extracted and re-encoded)."""
    return f"derived/{doc_id}/{version}/picture-{ordinal}"


def thumbnail_key(doc_id: str, version: int, ordinal: int) -> str:
    """Key of a picture's thumbnail."""
    return f"derived/{doc_id}/{version}/thumbnail-{ordinal}"


def _part(text: str) -> str:
    if not text or len(text) > 128:
        raise InvalidInput("A tenant or collection name must have 1 to 128 characters.")
    return _quoted(text, safe="")


def _path(source_key: str) -> str:
    parts = [part for part in source_key.split("/") if part]
    if not parts or len(source_key) > 700 or any(part in {".", ".."} for part in parts):
        raise InvalidInput("A document's name must have 1 to 700 characters and no '.' or '..' part.")
    path = "/".join(_quoted(part, safe=_PATH_SAFE) for part in parts)
    if len(path) > _PATH_LIMIT_BYTES:
        raise InvalidInput("The document's name is too long to be stored.")
    return path


def _quoted(text: str, *, safe: str) -> str:
    """Percent-encoded; of what gets too long for a file name, its beginning and a hash of the whole."""
    try:
        encoded = quote(text, safe=safe)
    except UnicodeEncodeError as exc:
        raise InvalidInput("A name must be proper text; this one holds halves of characters.") from exc
    if len(encoded) <= _PART_LIMIT_BYTES:
        return encoded
    return f"{quote(text[:12], safe=safe)}~{hashlib.sha256(text.encode()).hexdigest()}"


def _unquoted(part: str, safe: str) -> str:
    plain = unquote(part)
    return plain if quote(plain, safe=safe) == part else part
