"""Documents that come and go in the object store itself: its notices become `file_added` events.

A notice is a hint. It may come late, twice, or after a newer one; so the object is looked at, and what is there
now is announced. No bytes are read.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal
from urllib.parse import urlsplit

from contracts.documents import FileAdded
from contracts.errors import BadMessage, ConfigurationError, InvalidInput, NotFound, TriremeError
from contracts.keys import read_object_key
from ingest.doors.announcing import added, deleted
from ingest.doors.notices import Notice, parse_notices, read_notices
from runtime.object_store import ObjectMeta, ObjectStore
from runtime.publishing import ANNOUNCED_BY, DocumentPublisher
from runtime.telemetry import get_logger, new_trace

_log = get_logger(__name__)

Taken = Literal["added", "deleted", "announced", "stale", "ignored"]
"""What became of a notice: "announced" was put there by a door of ours, "stale" is no longer true."""

_LOOKS_AT_ONCE = 16


class Bucket:
    """The part of a bucket that the store's URL names.

    Raises:
        ConfigurationError: no URL of a bucket; a directory has nobody who would send notices.
    """

    def __init__(self, store_url: str) -> None:
        parts = urlsplit(store_url)
        if parts.scheme != "s3" or not parts.netloc:
            raise ConfigurationError("Events of an object store need a store of the form s3://bucket/prefix.")
        self._name = parts.netloc
        prefix = parts.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def key_in_store(self, notice: Notice) -> str:
        """Key of the object as the store knows it.

        Raises:
            InvalidInput: another bucket, or outside the prefix.
        """
        if notice.bucket != self._name:
            raise InvalidInput("The event is about another bucket than this store's.")
        if not notice.key.startswith(self._prefix):
            raise InvalidInput("The event is about an object outside this store's prefix.")
        return notice.key.removeprefix(self._prefix)


class ObjectEvents:
    """Announces what notices point to.

    Args:
        count: told what became of each notice: as `Taken`, or "refused" (it never will be) or "failed".
        lane: "bulk" for a bucket whose arrivals must not delay people's uploads.
    """

    def __init__(
        self,
        bucket: Bucket,
        store: ObjectStore,
        publisher: DocumentPublisher,
        count: Callable[[str], None],
        *,
        lane: Literal["live", "bulk"] = "live",
    ) -> None:
        self._bucket = bucket
        self._store = store
        self._publisher = publisher
        self._count = count
        self._lane = lane
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def take_all(self, notices: Iterable[Notice]) -> list[Taken]:
        """Take notices, those about one object as one; all of them, even if some fail.

        Raises:
            InvalidInput, DependencyDown: as `take`; what passes counts before what was refused, because the sender
                shall try again then.
        """
        results = await asyncio.gather(*map(self.take, dict.fromkeys(notices)), return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        for error in sorted(errors, key=lambda error: isinstance(error, InvalidInput)):
            raise error
        return [result for result in results if not isinstance(result, BaseException)]

    async def take(self, notice: Notice) -> Taken:
        """Look at the object, and announce that it is there, or has gone.

        Raises:
            InvalidInput: another bucket, outside the prefix, or a name that no document can have.
            DependencyDown: the store or Kafka is away; the notice has to be sent again.
        """
        try:
            async with self._looks:
                outcome = await self._take(notice)
        except TriremeError as exc:
            refused = isinstance(exc, InvalidInput | BadMessage)
            self._count("refused" if refused else "failed")
            _log.warning("notice_not_taken", reason=exc.message, bucket=notice.bucket, key=notice.key)
            raise
        self._count(outcome)
        return outcome

    def read(self, body: Any) -> list[Notice]:
        """The notices in a body as an object store sends it: JSON, decoded or not yet.

        Raises:
            BadMessage: it holds none.
        """
        try:
            return parse_notices(body) if isinstance(body, bytes | str) else read_notices(body)
        except BadMessage:
            self._count("refused")
            raise

    async def _take(self, notice: Notice) -> Taken:
        key = self._bucket.key_in_store(notice)
        if notice.kind == "other" or key.endswith("/"):
            return "ignored"
        place = read_object_key(key)
        if place is None:
            return "announced"
        meta = await self._look(key)
        if notice.kind == "created":
            if meta is None:
                return "stale"
            if ANNOUNCED_BY in meta.attributes:
                return "announced"
            await self._announce(added(place, meta, lane=self._lane))
            return "added"
        if meta is not None:
            return "stale"
        await self._announce(deleted(place, key))
        # Had it come back between the look and the announcement, its own event may already lie before ours.
        meta = await self._look(key)
        if meta is not None:
            await self._announce(added(place, meta, lane=self._lane))
            return "added"
        return "deleted"

    async def _announce(self, event: FileAdded) -> None:
        trace = new_trace()
        published = await self._publisher.announce(event, trace)
        _log.info(
            f"object_{event.event}",
            doc_id=published.doc_id,
            version=published.version,
            stage="door",
            trace_id=trace.trace_id,
        )

    async def _look(self, key: str) -> ObjectMeta | None:
        try:
            return await self._store.head(key)
        except NotFound:
            return None
