"""When rows that no search may return any more are to leave memory and disk: how old they are, part by part.

A part is a sealed segment by its name, or the growing delta. The ages are kept in a small file beside the
segments, so that a restart does not begin to count anew. Deciding is here; writing anew is `upkeep`'s.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from index_service.segment_files import MANIFEST, segments_home
from index_service.shard import Shard

DELTA = "delta"
_FILE = "dead-since.json"
_TEMPORARY = "dead-since.tmp"
_DAMAGED = "damaged-*"


def dead_rows(shard: Shard) -> dict[str, int]:
    """Dead rows of each part that has any."""
    counts = {segment.name: segment.n_slots - segment.live.n_live for segment in shard.sealed}
    counts[DELTA] = sum(delta.n_slots - delta.live.n_live for delta in (*shard.frozen, shard.delta))
    return {name: n for name, n in counts.items() if n}


class DeadSince:
    """Since when each part of one shard has dead rows, as far as it was looked at. Used by one thread.

    Args:
        directory: of the shard's snapshots.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known = (directory / _FILE).is_file()
        self._since_ms = self._read()

    def note(self, dead: Mapping[str, int], now_ms: int) -> None:
        """Look at the parts. A segment that is new here may hold dead rows of the delta, or of those it came from:
        it takes over the greatest age among them.

        Raises:
            OSError: the file cannot be written.
        """
        origins = [ms for name, ms in self._since_ms.items() if name not in dead or name == DELTA]
        since_ms = {name: self._since_ms.get(name) or self._first(name, origins, now_ms) for name in dead}
        if since_ms != self._since_ms or not self._known:
            self._since_ms, self._known = since_ms, True
            self._directory.mkdir(parents=True, exist_ok=True)
            temporary = self._directory / _TEMPORARY
            temporary.write_bytes(msgspec.json.encode(since_ms))
            temporary.replace(self._directory / _FILE)

    def overdue(self, before_ms: int) -> frozenset[str]:
        """Parts whose oldest dead row died then or earlier."""
        return frozenset(name for name, since_ms in self._since_ms.items() if since_ms <= before_ms)

    def _first(self, name: str, origins: list[int], now_ms: int) -> int:
        if name == DELTA:
            return now_ms
        if origins:
            return min(origins)
        if self._known:
            return now_ms
        try:
            # Nothing is remembered of it: its rows cannot have died before it was written.
            written_ms = (segments_home(self._directory) / name / MANIFEST).stat().st_mtime_ns // 1_000_000
        except OSError:
            return now_ms
        return min(written_ms, now_ms)

    def _read(self) -> dict[str, int]:
        try:
            return msgspec.json.decode((self._directory / _FILE).read_bytes(), type=dict[str, int])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}


def remove_set_aside(directory: Path, before_ms: int) -> None:
    """Remove damaged snapshots that were set aside before then: they hold documents as well."""
    for path in directory.glob(_DAMAGED):
        if path.stat().st_mtime_ns // 1_000_000 <= before_ms:
            shutil.rmtree(path, ignore_errors=True)
