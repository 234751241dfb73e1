"""What an index process says about its shards on its loopback door, besides health: contents, position, expiry.

Requests are HTTP; bodies are msgpack, because they carry vectors. Pages are bounded in documents and bytes.
"""

from typing import Literal, TypeVar

import msgspec

from contracts.errors import BadMessage
from contracts.items import ItemSet

SHARDS_PATH = "/shards"
HEADS_PATH = "/documents/heads"
DOCUMENTS_PATH = "/documents"
UNUSED_PATH = "/documents/unused"
REBUILD_PATH = "/rebuild"
FORGET_PATH = "/forget"

# A form on a foreign page cannot send it.
WRITE_HEADER = "X-Requested-With"

MOST_DOCUMENTS = 1000
MOST_NAMED = 500
"""Documents that one request may name."""

Op = Literal["upsert", "delete", "expire"]


class DocumentHead(msgspec.Struct, frozen=True, kw_only=True):
    """A document without its contents, enough to tell whether two places hold the same.

    Args:
        op: "upsert" for a document with items (perhaps none), else what removed it.
        items: how many it has.
        vectors_sha256, payload_sha256: of the float16 rows in order, and of what is shown of them. None where
            the contents were not read, and for a removed document.
    """

    doc_id: str
    version: int
    revision: int
    op: Op
    items: int
    vectors_sha256: str | None = None
    payload_sha256: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """What decides which of two updates of a document wins."""
        return self.version, self.revision


class ShardState(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of a process, as it is now.

    Args:
        identity, next_offset: the log that it follows, and the first record of it that is not applied; None before
            the log was reached.
        ready: whether it answers searches.
        rebuilds: rebuilds from the object store since the process began.
        forgets: how often all that is gone was taken from memory and disk since then.
    """

    generation: str
    shard: int
    n_shards: int
    space_id: str
    text_dim: int
    image_dim: int
    group: int
    read_only: bool
    ready: bool
    identity: str | None
    next_offset: int | None
    items: int
    rebuilds: int
    forgets: int = 0


class HeadPage(msgspec.Struct, frozen=True, kw_only=True):
    """Heads in the order of document ids, as they were when everything before `next_offset` had been applied.

    Args:
        after: where the next page begins; None after the last.
    """

    next_offset: int
    heads: tuple[DocumentHead, ...]
    after: str | None = None


class DocumentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Documents with all of their items, in the order of document ids; removed ones are left out."""

    documents: tuple[ItemSet, ...]
    after: str | None = None


class UnusedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was added, and last seen in an answer, before the days that were asked for.

    Args:
        accessed_day: days since 1970 (UTC).
    """

    tenant: str
    doc_id: str
    version: int
    collection: str
    source_key: str
    content_type: str
    added_ms: int
    accessed_day: int


class UnusedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Unused documents in the order of document ids.

    Args:
        documents: how many the shard holds in all; told on the first page.
    """

    documents: int | None
    unused: tuple[UnusedDocument, ...]
    after: str | None = None


class RebuildAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A rebuild was asked for; it is done once `ShardState.rebuilds` has passed this and the shard is ready."""

    shard: int
    rebuilds: int


class ForgetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All that is gone shall leave memory and disk; it has once `ShardState.forgets` has passed this."""

    shard: int
    forgets: int


P = TypeVar("P", bound=msgspec.Struct)


def encode_page(page: msgspec.Struct | list[ShardState]) -> bytes:
    """Bytes of an answer."""
    return msgspec.msgpack.encode(page)


def decode_page(kind: type[P], data: bytes) -> P:
    """Read an answer back.

    Raises:
        BadMessage: it has another form.
    """
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadMessage("The index process answered in a form that this build does not know.") from exc


def decode_states(data: bytes) -> list[ShardState]:
    """Read the answer to `SHARDS_PATH` back.

    Raises:
        BadMessage: it has another form.
    """
    try:
        return msgspec.msgpack.decode(data, type=list[ShardState])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadMessage("The index process answered in a form that this build does not know.") from exc
