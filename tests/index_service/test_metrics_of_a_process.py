"""Every metric of an index process is to be seen at /metrics, and says what happened; so is a replica's lag."""

import re
from pathlib import Path

import numpy as np
import pytest

from contracts import metrics as table
from contracts.ids import shard_of
from contracts.topics import index_touches
from contracts.touches import Touches
from tests.index_service.building import inline, item_set, query_vector
from tests.index_service.running import wait_for

pytestmark = pytest.mark.integration

VERSION = 2**40
SPECS = [
    spec
    for spec in table.ALL
    if spec.name.startswith("trireme_index_") or spec in (table.FAISS_INDEX_CPU, table.DEAD_LETTERS, table.RECORDS)
]


def samples(process):
    """Value by name and labels."""
    found = {}
    for line in process.metrics().splitlines():
        match = re.fullmatch(r"([a-z_]+)(\{.*\})? (\S+)", line)
        if match:
            found[match[1], match[2] or ""] = float(match[3])
    return found


def names(process):
    return {re.sub(r"_(total|bucket|count|sum|created)$", "", name) for name, _ in samples(process)}


def value(process, name, **labels):
    wanted = [f'{label}="{each}"' for label, each in labels.items()]
    return sum(
        number
        for (found, given), number in samples(process).items()
        if found == name and all(part in given for part in wanted)
    )


def test_every_metric_of_a_primary_has_samples_after_some_work(generation):
    rng = np.random.default_rng(41)
    process = generation.process(0, 1, 2, index='{"seal_rows": 16}')
    process.start()
    process.becomes_ready()
    documents = [item_set(rng, generation.doc(i), VERSION + i, spec=generation.spec) for i in range(30)]
    for document in documents:
        generation.feed(inline(document))
        touched = Touches(tenant="default", generation=generation.name, day=1, doc_ids=(document.doc_id,))
        partition = shard_of(document.doc_id, 3)
        generation.producer.send(index_touches(generation.name), touched, partition=partition)
    generation.feed_bytes(b"\xc1", 0)
    wait_for("all applied", lambda: value(process, "trireme_index_items") == 90)
    for _ in range(4):
        generation.ask(query_vector(rng), k=10)
    wait_for("a probe", lambda: value(process, "trireme_index_probes_total") > 0)
    wait_for("a sealed delta", lambda: value(process, "trireme_index_upkeep_total", done="sealed") > 0)
    wait_for("the processor's use", lambda: "faiss_index_cpu" in names(process))

    expected = {spec.name for spec in SPECS}
    assert expected - names(process) == set()
    described = process.metrics()
    assert all(f"# HELP {spec.name}" in described for spec in SPECS)
    assert value(process, "trireme_index_documents") == 30
    assert value(process, "trireme_index_touches_total") == 30
    assert value(process, "trireme_index_vectors_scanned_total") == 4 * 90
    assert value(process, "trireme_index_search_seconds_count") == 12
    assert value(process, "trireme_index_short_results_total") == 0
    assert value(process, "trireme_index_memory_bytes", part="vectors") >= 90 * generation.spec.vector_bytes
    assert value(process, "trireme_index_memory_bytes", part="payload") > 0
    applied = process.readiness()[1]["applied_offset"]
    for shard, offset in applied.items():
        assert value(process, "trireme_index_applied_offset", shard=shard) == offset
    recalls = [number for (name, _), number in samples(process).items() if name == "trireme_index_recall_ratio"]
    assert set(recalls) == {1.0}


def test_the_page_for_operators_names_every_metric():
    page = (Path(__file__).parents[2] / "docs" / "index.md").read_text()
    assert [spec.name for spec in SPECS if f"`{spec.name}" not in page] == []


def test_a_replica_tells_how_far_it_is_behind(generation):
    rng = np.random.default_rng(43)
    replica = generation.process(0, 1, 2, group=1)
    replica.start()
    replica.becomes_ready()
    generation.feed(inline(item_set(rng, generation.doc(1), VERSION, spec=generation.spec)))
    wait_for("it is there", lambda: replica.readiness()[1]["items"] == 3)
    shard = str(shard_of(generation.doc(1), 3))
    status = replica.readiness()[1]
    assert status["applied_offset"][shard] == 0
    assert (status["lag_records"], status["lag_s"]) == ({"0": 0, "1": 0, "2": 0}, {"0": 0.0, "1": 0.0, "2": 0.0})
    wait_for("the metric", lambda: value(replica, "trireme_index_items") == 3)
    assert value(replica, "trireme_index_applied_offset", shard=shard) == 0
    assert value(replica, "trireme_index_lag_records") == 0
    assert "trireme_index_touches" not in names(replica)
