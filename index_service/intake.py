"""One record of `index_updates` from bytes to effect: decode, fetch the items, apply, say what happened.

`take` never raises for a bad record: it refuses it and goes on. It raises only when a dependency is down and
the same record has to be tried again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from contracts.batches import BatchUpdate, read_batch, read_update
from contracts.errors import BadMessage, DependencyDown, NotFound, TriremeError
from contracts.items import ClaimCheck, IndexUpdate, ItemSet, read_claim
from index_service.batch_intake import news_of, take_in
from index_service.hosted import HostedShard, Parked
from index_service.notices import Notice, applied_notice, cause_of, refused_notices
from index_service.updates import check_update, read_inline
from runtime.kafka import Record
from runtime.telemetry import get_logger, trace_of

Outcome = Literal["applied", "duplicate", "late", "parked", "refused"]
Fetch = Callable[[str], bytes]
"""Gets an object by key; raises NotFound, or DependencyDown to be asked again."""

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a record, and what to tell the world."""

    outcome: Outcome
    notices: list[Notice]


class _NotAsClaimed(Exception):
    """The claimed items are not in the store, or are others than the claim describes."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason


def take(hosted: HostedShard, record: Record, fetch: Fetch, at_ms: int) -> Taken:
    """Apply one record to its shard and advance the shard's position.

    Raises:
        DependencyDown: the object store does not answer; nothing was changed, take the record again.
    """
    trace = trace_of(record.headers)
    update: IndexUpdate | None = None
    try:
        read = read_update(record.value)
        if isinstance(read, BatchUpdate):
            return _take_batch(hosted, record, read, fetch, at_ms)
        update = read
        check_update(update, hosted.spec)
        items = None
        if hosted.shard.precedence(update) == "newer":
            items = read_inline(update) if update.claim is None else _claimed(update.claim, fetch)
        applied = hosted.shard.apply(update, items)
    except DependencyDown:
        raise
    except _NotAsClaimed as exc:
        assert update is not None
        hosted.parked.append(Parked(record, update, exc.cause, exc.reason))
        hosted.advance(record.offset + 1)
        return Taken("parked", [])
    except Exception as exc:  # noqa: BLE001 - one record must never stop the shard; logged and dead-lettered
        cause, reason = cause_of(exc)
        _log_refusal(hosted, record, cause, reason, None if isinstance(exc, TriremeError) else exc)
        hosted.advance(record.offset + 1)
        return Taken("refused", refused_notices(record, update, cause, reason, trace, at_ms))
    hosted.advance(record.offset + 1)
    notice = applied_notice(update, applied, trace, at_ms)
    return Taken(applied.outcome, [notice] if notice else [])


def _take_batch(hosted: HostedShard, record: Record, batch: BatchUpdate, fetch: Fetch, at_ms: int) -> Taken:
    """As `take`, for the items of many documents.

    Raises:
        DependencyDown: nothing was changed. TriremeError: refused as a whole before any of it was taken.
    """
    trace, slim = trace_of(record.headers), replace(record, value=b"")
    news = news_of(hosted.shard, batch)
    updates = [batch.update_of(entry) for entry in batch.documents]
    if news:
        try:
            documents = _batch_of(batch, fetch)
            take_in(
                hosted.shard,
                hosted.directory,
                hosted.files,
                batch,
                [one for one in documents if one.doc_id in news],
            )
        except _NotAsClaimed as exc:
            lost = [update for update in updates if update.doc_id in news]
            hosted.parked += [Parked(slim, update, exc.cause, exc.reason) for update in lost]
            hosted.advance(record.offset + 1)
            return Taken("parked", [])
        except DependencyDown:
            raise
        except Exception as exc:  # noqa: BLE001 - as in `take`; here it is known which documents it is about
            cause, reason = cause_of(exc)
            _log_refusal(hosted, record, cause, reason, None if isinstance(exc, TriremeError) else exc)
            hosted.advance(record.offset + 1)
            refused = [update for update in updates if update.doc_id in news]
            notices = [refused_notices(slim, update, cause, reason, trace, at_ms) for update in refused]
            return Taken("refused", [notice for each in notices for notice in each])
    hosted.advance(record.offset + 1)
    # All of them are known by now; what the shard says of each is what it would say of a repeated update.
    told = [applied_notice(update, hosted.shard.apply(update, None), trace, at_ms) for update in updates]
    return Taken("applied" if news else "duplicate", [notice for notice in told if notice])


def settle_parked(hosted: HostedShard, at_ms: int) -> list[Notice]:
    """Give up the parked updates that nothing newer replaced by the time their log end was reached."""
    notices: list[Notice] = []
    for lost in hosted.take_settled():
        trace = trace_of(lost.record.headers)
        _log_refusal(hosted, lost.record, lost.cause, lost.reason, None)
        notices += refused_notices(lost.record, lost.update, lost.cause, lost.reason, trace, at_ms)
    return notices


def _claimed(claim: ClaimCheck, fetch: Fetch) -> ItemSet:
    try:
        return read_claim(claim, _fetched(claim.key, fetch))
    except BadMessage as exc:
        raise _NotAsClaimed("items_altered", exc.message) from exc


def _fetched(key: str, fetch: Fetch) -> bytes:
    try:
        return fetch(key)
    except NotFound as exc:
        reason = "The document's items are no longer in the object store."
        raise _NotAsClaimed("items_missing", reason) from exc


def _batch_of(batch: BatchUpdate, fetch: Fetch) -> list[ItemSet]:
    data = _fetched(batch.claim.key, fetch)
    try:
        return read_batch(batch, data)
    except BadMessage as exc:
        raise _NotAsClaimed("items_altered", exc.message) from exc


def _log_refusal(hosted: HostedShard, record: Record, cause: str, reason: str, error: Exception | None) -> None:
    _LOG.error(
        "update_refused",
        shard=hosted.spec.shard,
        offset=record.offset,
        key=record.key,
        trace_id=trace_of(record.headers).trace_id,
        cause=cause,
        reason=reason,
        exc_info=error,
    )
