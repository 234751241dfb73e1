"""One record of `index_updates` from bytes to effect: decode, fetch the items, apply, say what happened.

`take` never raises for a bad record: it refuses it and goes on. It raises only when a dependency is down and
the same record has to be tried again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from contracts.codec import decode
from contracts.errors import BadMessage, DependencyDown, NotFound, TriremeError
from contracts.items import ClaimCheck, IndexUpdate, ItemSet, read_claim
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
        update = decode(IndexUpdate, record.value)
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
        return read_claim(claim, fetch(claim.key))
    except NotFound as exc:
        reason = "The document's items are no longer in the object store."
        raise _NotAsClaimed("items_missing", reason) from exc
    except BadMessage as exc:
        raise _NotAsClaimed("items_altered", exc.message) from exc


def _log_refusal(hosted: HostedShard, record: Record, cause: str, reason: str, error: Exception | None) -> None:
    _LOG.error(
        "update_refused",
        shard=hosted.spec.shard,
        offset=record.offset,
        key=record.key,
        cause=cause,
        reason=reason,
        exc_info=error,
    )
