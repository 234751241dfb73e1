"""What the log says of every document, folded into a file of our own while a backup is taken."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka as ck

from contracts.codec import decode, encode
from contracts.errors import BadMessage, DependencyDown
from contracts.status import DocumentStatus, StageEvent
from contracts.topics import DOCUMENT_STATUS, STATUS_PARTITIONS
from gateway.clients.status_rows import StatusRows
from gateway.core.status_view import SETTLED, Position
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record

_BATCH_RECORDS = 500
_PAGE = 500
_POLL_S = 0.2


class Statuses:
    """Follows `document_status` from look to look. Blocking; one thread at a time.

    Args:
        folder: a directory that this may have for itself.
    """

    def __init__(self, bootstrap: str, folder: str) -> None:
        self._consumer = assigned_consumer(bootstrap, "backup-status", partition_eof=True)
        self._rows = StatusRows(Path(folder) / "status.sqlite")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
        self._rows.close()

    def catch_up(self, timeout_s: float) -> set[tuple[str, str]]:
        """Read to the end that the log has now; returns (tenant, doc_id) of what changed since the last look.

        Raises:
            DependencyDown: Kafka does not answer, or not all was read in time.
            BadMessage: the log lost records that were not read.
        """
        deadline = time.monotonic() + timeout_s
        bounds = log_bounds(self._consumer, DOCUMENT_STATUS, range(STATUS_PARTITIONS), timeout_s)
        known = self._rows.offsets()
        starts = {p: max(known.get(p, 0), first) for p, (first, _) in bounds.items()}
        open_ = {p for p, (_, end) in bounds.items() if starts[p] < end}
        self._consumer.assign([ck.TopicPartition(DOCUMENT_STATUS, p, starts[p]) for p in open_])
        changed: set[tuple[str, str]] = set()
        while open_:
            if time.monotonic() > deadline:
                raise DependencyDown("kafka")
            records: list[Record] = []
            ended = set()
            for message in self._consumer.consume(_BATCH_RECORDS, _POLL_S):
                record = to_record(message)
                if record is None:
                    ended.add(message.partition())
                else:
                    records.append(record)
            changed |= self._rows.apply(_events(records), {r.partition: r.offset + 1 for r in records})
            open_ -= ended | {r.partition for r in records if r.offset + 1 >= bounds[r.partition][1]}
        return changed

    def get(self, tenant: str, doc_id: str) -> DocumentStatus | None:
        """One document."""
        return self._rows.get(tenant, doc_id)

    def counts(self) -> Mapping[str, int]:
        """Documents of all tenants by state."""
        totals: dict[str, int] = {}
        for tenant in self._rows.tenants():
            for state, n in self._rows.counts(tenant, None).items():
                totals[state] = totals.get(state, 0) + n
        return totals

    def unsettled(self) -> set[tuple[str, str]]:
        """(tenant, doc_id) of documents that are being worked on."""
        return {
            (tenant, position.doc_id)
            for tenant in self._rows.tenants()
            for state in self._rows.counts(tenant, None).keys() - SETTLED
            for position in self._of_state(tenant, state)
        }

    def events(self) -> Iterator[bytes]:
        """The newest event of each stage and version, encoded as the log has it."""
        return map(encode, self._rows.events())

    def _of_state(self, tenant: str, state: str) -> Iterator[Position]:
        after = None
        while page := self._rows.page(tenant, state, after, _PAGE):
            yield from page
            after = page[-1]


def _events(records: list[Record]) -> Iterator[StageEvent]:
    """What can be read of the records: a gateway leaves the others out, too."""
    for record in records:
        if record.value:
            try:
                yield decode(StageEvent, record.value)
            except BadMessage:
                continue
