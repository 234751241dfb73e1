"""The loopback door of index processes as methods: what shards hold, what is unused, rebuilds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from client.problems import error_of
from contracts.errors import DeadlineExceeded, DependencyDown
from contracts.index_door import (
    DOCUMENTS_PATH,
    FORGET_PATH,
    HEADS_PATH,
    MOST_NAMED,
    REBUILD_PATH,
    SHARDS_PATH,
    UNUSED_PATH,
    WRITE_HEADER,
    DocumentHead,
    DocumentPage,
    ForgetAnswer,
    HeadPage,
    RebuildAnswer,
    ShardState,
    UnusedPage,
    decode_page,
    decode_states,
)
from contracts.items import ItemSet

# An errand may wait 30 s for its turn.
_TIMEOUT_S = 40.0

P = TypeVar("P", bound=msgspec.Struct)


class IndexDoor:
    """One index process.

    Every method raises `DependencyDown("index")` where it cannot be reached, `DeadlineExceeded` where it was busy
    for too long, and what it refused with.

    Args:
        address: HOST:PORT of its door; the loopback address of the machine or container that it runs on.
    """

    def __init__(self, address: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.address = address
        self._http = httpx.Client(
            base_url=f"http://{address}",
            timeout=_TIMEOUT_S,
            headers={WRITE_HEADER: "trireme"},
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def shards(self) -> list[ShardState]:
        """The shards of the process, as they are now."""
        return decode_states(self._request("GET", SHARDS_PATH))

    def state(self, shard: int) -> ShardState | None:
        """One shard of the process; None where it does not hold it."""
        return next((one for one in self.shards() if one.shard == shard), None)

    def heads(self, shard: int) -> Iterator[HeadPage]:
        """Heads of all documents, removed ones included, page by page."""
        return self._pages(HeadPage, HEADS_PATH, shard)

    def heads_of(self, shard: int, doc_ids: Sequence[str]) -> tuple[dict[str, DocumentHead], int]:
        """Heads of those documents that the shard knows, and the first record that they may not show yet."""
        found: dict[str, DocumentHead] = {}
        places = []
        for start in range(0, len(doc_ids), MOST_NAMED):
            ids = ",".join(doc_ids[start : start + MOST_NAMED])
            page = self._get(HeadPage, HEADS_PATH, shard=shard, ids=ids)
            found |= {head.doc_id: head for head in page.heads}
            places.append(page.next_offset)
        return found, min(places, default=0)

    def documents(self, shard: int) -> Iterator[ItemSet]:
        """All documents that are not removed, in the order of their ids."""
        for page in self._pages(DocumentPage, DOCUMENTS_PATH, shard):
            yield from page.documents

    def unused(self, shard: int, *, added_before_ms: int, accessed_before_day: int) -> Iterator[UnusedPage]:
        """Documents that were added, and last accessed, before these; page by page.

        Raises:
            Conflict: the process is a replica, or still reads its log.
        """
        return self._pages(
            UnusedPage,
            UNUSED_PATH,
            shard,
            added_before_ms=added_before_ms,
            accessed_before_day=accessed_before_day,
        )

    def rebuild(self, shard: int) -> RebuildAnswer:
        """Ask for a rebuild from the object store; returns at once."""
        return decode_page(RebuildAnswer, self._request("POST", REBUILD_PATH, shard=shard))

    def forget(self, shard: int) -> ForgetAnswer:
        """Ask that all that is gone leaves memory and disk; returns at once."""
        return decode_page(ForgetAnswer, self._request("POST", FORGET_PATH, shard=shard))

    def _pages(self, kind: type[P], path: str, shard: int, **parameters: int) -> Iterator[P]:
        after: str | None = ""
        while after is not None:
            page = self._get(kind, path, shard=shard, after=after, **parameters)
            yield page
            after = getattr(page, "after", None)

    def _get(self, kind: type[P], path: str, **parameters: str | int) -> P:
        return decode_page(kind, self._request("GET", path, **parameters))

    def _request(self, method: str, path: str, **parameters: str | int) -> bytes:
        try:
            response = self._http.request(method, path, params=parameters)
        except httpx.TimeoutException as exc:
            raise DeadlineExceeded(f"The index process at {self.address} did not answer in time.") from exc
        except httpx.TransportError as exc:
            raise DependencyDown("index", f"There is no index process at {self.address}.") from exc
        if response.is_error:
            raise error_of(response)
        return response.content
