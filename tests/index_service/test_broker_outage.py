"""The broker is not there yet, goes away, and comes back: the process waits, says so, and goes on."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tests.index_service.building import doc, inline, item_set, query_vector
from tests.index_service.conftest import address, broker
from tests.index_service.running import Generation, IndexProcess, wait_for
from tests.stack.servers.conftest import becomes_ready, last_words, started

pytestmark = pytest.mark.integration


def test_process_outlives_the_broker_before_during_and_after(tmp_path: Path) -> None:
    rng = np.random.default_rng(95)
    spec = broker(tmp_path / "data")
    log = tmp_path / "kafka.log"
    with started(spec, log) as kafka:
        assert asyncio.run(becomes_ready(spec, kafka)), last_words(log)
        generation = Generation(address(spec), "g-outage", 1, tmp_path / "generation")
        process = generation.process(0)
    try:
        process.start()
        wait_for("the process says that Kafka is away", lambda: "updates_unreachable" in process.words())
        assert not ready(process)
        with started(spec, log) as kafka:
            process.becomes_ready()
            document = item_set(rng, doc(1), 1, spec=generation.spec)
            generation.feed(inline(document))
            wait_for("the document is found", lambda: len(generation.everything(query_vector(rng))) == 3)
        wait_for("readiness tells", lambda: not ready(process))
        assert process.alive()
        with started(spec, log) as kafka:
            process.becomes_ready()
            generation.feed(inline(item_set(rng, doc(2), 2, spec=generation.spec)))
            wait_for("both are found", lambda: len(generation.everything(query_vector(rng))) == 6)
        assert process.terminate()[0] == 0
    finally:
        generation.close()


def ready(process: IndexProcess) -> bool:
    return process.readiness()[0] == 200
