"""Where one stack keeps its things on disk, and the lock that lets only one stack use them.

A home holds `run/` (state, lock, scratch), `logs/` and `data/` (objects, Kafka, snapshots, status). Downloads live
in `cache/`, which homes may share: a test's stack has a home of its own and the checkout's cache.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import Conflict

CHECKOUT = Path(__file__).resolve().parents[1]
DEFAULT_HOME = CHECKOUT / ".trireme"


@dataclass(frozen=True, slots=True)
class StackHome:
    """The folders of one stack; `cache` is shared between homes of one checkout."""

    root: Path
    cache: Path = DEFAULT_HOME / "cache"
    data_name: str = "data"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def traces(self) -> Path:
        return self.root / "traces"

    @property
    def data(self) -> Path:
        return self.root / self.data_name

    @property
    def objects(self) -> Path:
        return self.data / "objects"

    @property
    def state_file(self) -> Path:
        return self.run / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.run / "stack.lock"

    def create(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.run, self.logs, self.data, self.objects):
            folder.mkdir(parents=True, exist_ok=True)

    def reset(self) -> None:
        """Delete all documents, indexes and logs of the broker; call with the lock held."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.create()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for one stack until the block ends or the process dies.

        Raises:
            Conflict: another stack runs here.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        with self.lock_file.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"A stack is already running with the home '{self.root.name}'. "
                    "`trireme status` shows it, `trireme down` stops it."
                ) from None
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def is_locked(self) -> bool:
        """Whether a stack runs here now."""
        try:
            with self.lock_file.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def holder(self) -> int | None:
        """Process id of the stack that runs here now; None when none does, or it has not written its id yet."""
        if not self.is_locked():
            return None
        written = self.lock_file.read_text()
        return int(written) if written.isdigit() else None
