"""The SQLite file behind a gateway's view of documents: stage events, and how far each partition was read.

Events and offsets change in one transaction, so a crash can lose neither without the other. The file is a view:
deleting it costs a replay of the topic, nothing else.
"""

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from contracts.codec import decode, encode
from contracts.status import DocumentStatus, StageEvent, fold, newer
from gateway.core.status_view import Position

# Raised when the tables or their meaning change; an older file is then dropped and filled again.
_LAYOUT = 2

_LONGEST_NUMBER = 18

_TABLES = """
CREATE TABLE events (
    doc_id TEXT NOT NULL, version INTEGER NOT NULL, stage TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (doc_id, version, stage)
) WITHOUT ROWID;
CREATE TABLE documents (
    doc_id TEXT PRIMARY KEY, tenant TEXT NOT NULL, state TEXT NOT NULL, added_ms INTEGER NOT NULL,
    collection TEXT, change INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX documents_by_change ON documents (change);
CREATE INDEX documents_by_state ON documents (tenant, collection, state);
CREATE INDEX documents_by_time ON documents (tenant, added_ms DESC, doc_id);
CREATE TABLE offsets (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL);
CREATE TABLE log (identity TEXT NOT NULL, life TEXT NOT NULL);
"""


class StatusRows:
    """One connection's use of the file. The writer and the readers each open their own; any thread, one at a time.

    Args:
        path: made when absent, together with its directory; made anew when it is no SQLite file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _open(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            for leftover in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
                leftover.unlink(missing_ok=True)
            self._db = _open(path)
        if self._db.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
            self._create()

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def identity(self) -> str | None:
        """Which log (cluster and topic) the rows come from; None before the first."""
        row = self._db.execute("SELECT identity FROM log").fetchone()
        return None if row is None else str(row[0])

    def reset(self, identity: str) -> None:
        """Forget everything and start to read another log, or the same one from its beginning."""
        with self._transaction():
            for table in ("events", "documents", "offsets", "log"):
                self._db.execute(f"DELETE FROM {table}")
            self._db.execute("INSERT INTO log VALUES (?, ?)", (identity, secrets.token_hex(4)))

    def offsets(self) -> dict[int, int]:
        """Next offset to read, by partition."""
        return dict(self._db.execute("SELECT partition, next_offset FROM offsets"))

    def apply(self, events: Iterable[StageEvent], next_offsets: Mapping[int, int]) -> set[tuple[str, str]]:
        """Take events in, and how far the partitions were read; returns (tenant, doc_id) of what changed."""
        changed: set[tuple[str, str]] = set()
        with self._transaction():
            for event in events:
                if self._put(event):
                    changed.add((event.tenant, event.doc_id))
            for _, doc_id in changed:
                self._settle(doc_id)
            self._db.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?)", next_offsets.items())
        return changed

    def get(self, tenant: str, doc_id: str) -> DocumentStatus | None:
        """One document's folded status."""
        events = self._events(doc_id)
        return fold(events) if events and events[0].tenant == tenant else None

    def page(
        self,
        tenant: str,
        state: str | None,
        after: Position | None,
        limit: int,
        *,
        collections: tuple[str, ...] | None = None,
    ) -> list[Position]:
        """Positions of documents, the newest first, optionally only those in one state, or in some collections."""
        named = _named(collections)
        added_ms, doc_id = (after.added_ms, after.doc_id) if after else (2**62, "")
        rows = self._db.execute(
            "SELECT added_ms, doc_id FROM documents WHERE tenant = ? AND (? IS NULL OR state = ?) "
            "AND (? IS NULL OR collection IN (SELECT value FROM json_each(?))) "
            "AND (added_ms < ? OR (added_ms = ? AND doc_id > ?)) ORDER BY added_ms DESC, doc_id LIMIT ?",
            (tenant, state, state, named, named, added_ms, added_ms, doc_id, limit),
        )
        return [Position(added_ms=row[0], doc_id=row[1]) for row in rows]

    def counts(self, tenant: str, collections: tuple[str, ...] | None) -> dict[str, int]:
        """Documents of a tenant, or of some of its collections, by state."""
        named = _named(collections)
        return dict(
            self._db.execute(
                "SELECT state, count(*) FROM documents WHERE tenant = ? AND (? IS NULL OR "
                "collection IN (SELECT value FROM json_each(?))) GROUP BY state",
                (tenant, named, named),
            )
        )

    def tenants(self) -> list[str]:
        """Everybody who has documents."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT tenant FROM documents ORDER BY tenant")]

    def events(self) -> Iterator[StageEvent]:
        """All events that still say something, document by document."""
        for (data,) in self._db.execute("SELECT data FROM events ORDER BY doc_id, version, stage"):
            yield decode(StageEvent, data)

    def mark(self) -> str:
        """How far changes have come: a later `changed_since` names the documents that changed afterwards."""
        row = self._db.execute("SELECT life FROM log").fetchone()
        return f"{row[0] if row else 'none'}-{self._last_change()}"

    def changed_since(self, tenant: str, mark: str, limit: int) -> list[str] | None:
        """Documents that changed after a mark, in the order of their last changes.

        None where that cannot be told: the mark is of another life of the file, or there are more than `limit`.
        """
        life, _, change = mark.rpartition("-")
        if life != self.mark().rpartition("-")[0] or not change.isdecimal() or len(change) > _LONGEST_NUMBER:
            return None
        rows = self._db.execute(
            "SELECT doc_id FROM documents WHERE change > ? AND tenant = ? ORDER BY change LIMIT ?",
            (int(change), tenant, limit + 1),
        ).fetchall()
        return [row[0] for row in rows] if len(rows) <= limit else None

    def _last_change(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(change), 0) FROM documents").fetchone()[0])

    def _put(self, event: StageEvent) -> bool:
        key = (event.doc_id, event.version, event.stage)
        row = self._db.execute(
            "SELECT data FROM events WHERE doc_id = ? AND version = ? AND stage = ?", key
        ).fetchone()
        if not newer(event, decode(StageEvent, row[0]) if row else None):
            return False
        self._db.execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)", (*key, encode(event)))
        return True

    def _settle(self, doc_id: str) -> None:
        """Bring a document's row up to date, and drop versions that no longer say anything."""
        events = self._events(doc_id)
        status = fold(events)
        added_ms = min(event.at_ms for event in status.stages.values())
        collection = next((event.collection for event in events if event.collection is not None), None)
        self._db.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
            (doc_id, status.tenant, status.state, added_ms, collection, self._last_change() + 1),
        )
        applied = [event.version for event in events if event.stage == "shard" and event.state == "done"]
        if applied:
            self._db.execute("DELETE FROM events WHERE doc_id = ? AND version < ?", (doc_id, max(applied)))

    def _events(self, doc_id: str) -> list[StageEvent]:
        rows = self._db.execute("SELECT data FROM events WHERE doc_id = ?", (doc_id,))
        return [decode(StageEvent, data) for (data,) in rows]

    def _create(self) -> None:
        with self._transaction():
            for table in ("events", "documents", "offsets", "log"):
                self._db.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {_LAYOUT}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _named(collections: tuple[str, ...] | None) -> str | None:
    """Names as one parameter of a statement."""
    return None if collections is None else json.dumps(collections)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db
