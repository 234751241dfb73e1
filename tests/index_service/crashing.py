"""A process that lives a shard's life and is killed at a chosen write, sync or rename: run by `test_kill`.

Arguments: directory, seed, number of log records, number of the file operation at which to die (0 = never).
Prints how many operations there were when it lives to the end.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from index_service.durable import SummedFile
from tests.index_service.life import History, follow, keep, open_shard


def log_of(seed: int, n: int) -> History:
    """The first records of a history. Longer ones of the same seed begin with the same records."""
    history = History(np.random.default_rng(seed))
    while len(history.log) < n:
        history.step()
    del history.log[n:]
    return history


class Death:
    """Counts file operations, and kills this process in the middle of one."""

    def __init__(self, die_at: int) -> None:
        self.die_at = die_at
        self.n = 0

    def pass_by(self) -> None:
        self.n += 1
        if self.n == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main(directory: Path, seed: int, n_records: int, die_at: int) -> None:
    death = Death(die_at)
    write, fsync, rename = SummedFile.write, os.fsync, Path.rename

    def half_a_write(file: SummedFile, data: bytes) -> None:
        write(file, data[: len(data) // 2])
        file._file.flush()
        death.pass_by()
        write(file, data[len(data) // 2 :])

    def late_fsync(descriptor: int) -> None:
        death.pass_by()
        fsync(descriptor)

    def late_rename(path: Path, target: Path) -> Path:
        death.pass_by()
        return rename(path, target)

    SummedFile.write = half_a_write  # type: ignore[method-assign]
    os.fsync = late_fsync
    Path.rename = late_rename  # type: ignore[method-assign,assignment]
    log = log_of(seed, n_records).log
    hosted = open_shard(directory)
    assert hosted.position is not None
    for end in range(min(hosted.position.next_offset + 7, n_records), n_records + 1, 7):
        follow(hosted, log[:end])
        keep(hosted)
        if end % 3 == 0:
            hosted.save(now_ms=0)
    sys.stdout.write(f"{death.n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
