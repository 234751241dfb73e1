"""kill -9 within any file operation of snapshots, seals and merges: nothing is lost, nothing comes back.

TRIREME_KILLS says how often (`make soak`: 200).
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.index_service.crashing import log_of
from tests.index_service.life import LOG, Model, follow, open_shard
from tests.index_service.test_model import check

N_KILLS = int(os.environ.get("TRIREME_KILLS", "10"))
SEED = 17
# Records that a life goes on by. Each round redoes what the last one did not save.
N_RECORDS = 100
# Lives of one shard; then another one begins.
LIVES = 20
CHECKOUT = Path(__file__).parents[2]


def live(directory, seed, n_records, die_at):
    """One life; its exit status, and what it printed."""
    arguments = [str(directory), str(seed), str(n_records), str(die_at)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.index_service.crashing", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode, done.stdout


def test_nothing_is_lost_or_resurrected_by_any_death(tmp_path):
    rng = np.random.default_rng(SEED)
    status, printed = live(tmp_path / "whole", SEED, N_RECORDS, 0)
    n_operations = int(printed.splitlines()[-1])
    assert (status, n_operations > 50) == (0, True)
    deaths, recoveries_s, died_amid = 0, [], set()
    for round_ in range(N_KILLS):
        seed, n_records = SEED + round_ // LIVES, N_RECORDS * (round_ % LIVES + 1)
        directory = tmp_path / f"shard-{seed}"
        status, _ = live(directory, seed, n_records, int(rng.integers(1, n_operations)))
        deaths += status != 0
        died_amid |= {path.parent.name for path in directory.rglob("tmp-*")}

        log, model = log_of(seed, n_records).log, Model()
        started = time.monotonic()
        hosted = open_shard(directory)
        assert hosted.position.identity == LOG
        follow(hosted, log)
        recoveries_s.append(time.monotonic() - started)
        for update, items in log:
            model.apply(update, items)
        check(hosted, model, rng, 7)
    # Recovery as this test sees it: a shard of some hundred items opened, and its log replayed to the end.
    sys.stdout.write(
        f"{deaths} deaths, amid {sorted(died_amid)}; "
        f"recovery {np.median(recoveries_s):.3f} s (median), {max(recoveries_s):.3f} s (longest)\n"
    )
    assert deaths >= N_KILLS // 2
    assert "segments" in died_amid
