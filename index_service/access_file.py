"""Days of last access on a local disk: one small file beside a shard's snapshots, replaced in one step.

It is no part of a snapshot: it is saved more often than those, and a shard whose snapshots are damaged, and which
is rebuilt from the object store, still knows what was used.
"""

import hashlib
from pathlib import Path

from contracts.errors import BadMessage
from index_service.access import AccessDays
from index_service.durable import SummedFile, sync_directory
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
_FILE = "access.bin"
_SUM_BYTES = 32


def save_access(directory: Path, access: AccessDays) -> None:
    """Write what has changed since the last time, if anything.

    Raises:
        OSError: the disk does not take it; the former file is untouched.
    """
    if not access.changed:
        return
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f"{_FILE}.new"
    data = access.dump()
    try:
        unfinished.unlink(missing_ok=True)
        with SummedFile(unfinished) as file:
            file.write(hashlib.sha256(data).digest() + data)
        unfinished.replace(directory / _FILE)
        sync_directory(directory)
    except OSError:
        access.keep_changed()
        raise


def load_access(directory: Path, access: AccessDays) -> None:
    """Read what was saved. A file that is damaged is logged and passed over: its documents count as used today."""
    try:
        stored = (directory / _FILE).read_bytes()
        data = stored[_SUM_BYTES:]
        if hashlib.sha256(data).digest() != stored[:_SUM_BYTES]:
            raise BadMessage("The days of last access are damaged.")
        access.load(data)
    except FileNotFoundError:
        return
    except (OSError, BadMessage) as exc:
        _LOG.warning("access_not_loaded", directory=directory.name, reason=str(exc))
