"""Index processes over librdkafka's mock cluster, for machines without the broker's jars."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.index_service.building import inline, item_set, query_vector
from tests.index_service.running import Generation, wait_for

pytestmark = pytest.mark.integration


def test_updates_and_searches_work_over_the_mock_cluster(tmp_path: Path) -> None:
    rng = np.random.default_rng(97)
    file = tmp_path / "address"
    command = [sys.executable, "-m", "stack.mock_broker", str(file), "g-mock", "3"]
    broker = subprocess.Popen(command)
    try:
        wait_for("the mock cluster", file.exists)
        generation = Generation(file.read_text(), "g-mock", 3, tmp_path / "generation")
        try:
            process = generation.process(0, 1, 2)
            process.start()
            process.becomes_ready()
            for number in range(20):
                generation.feed(inline(item_set(rng, generation.doc(number), 1, spec=generation.spec)))
            wait_for("all are found", lambda: len(generation.everything(query_vector(rng))) == 60)
            wait_for("all are told", lambda: len(generation.statuses()) == 20)
            assert process.terminate()[0] == 0
        finally:
            generation.close()
    finally:
        broker.terminate()
        broker.wait(10)
