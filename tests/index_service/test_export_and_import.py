"""`trireme index export` and `import` between two generations of real index processes."""

import asyncio
import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from cli.index import app
from contracts.codec import encode
from contracts.errors import Conflict, SpaceMismatch
from contracts.ids import shard_of
from contracts.keys import item_key
from contracts.topics import FILE_ADDED
from index_service.exchange.parquet import ItemFile, ItemWriter
from runtime.log_epoch import settle_log_epoch
from runtime.object_store import ObjectStore
from runtime.topics_admin import topic_identity
from tests.index_service.building import inline, item_set, removal
from tests.index_service.running import SPACE, Generation, wait_for

pytestmark = pytest.mark.integration

VERSION = 2**40


@pytest.fixture
def rng():
    return np.random.default_rng(23)


@pytest.fixture
def other(generation, tmp_path):
    """Another generation of the same space, in five shards, with a store of its own."""
    other = Generation(generation.bootstrap, f"{generation.name}-b", 5, tmp_path / "other")
    identity = topic_identity(generation.bootstrap, FILE_ADDED)
    asyncio.run(settle_log_epoch(objects(other), identity))
    yield other
    other.close()


def objects(generation):
    return ObjectStore.from_url(f"file://{generation.folder / 'objects'}")


def call(generation, process, *arguments):
    where = ["--door", f"127.0.0.1:{process.port}"]
    if arguments[0] != "export":
        where += ["--kafka", generation.bootstrap, "--objects", f"file://{generation.folder / 'objects'}"]
    result = CliRunner().invoke(app, [*arguments, *where, "--json"], catch_exceptions=False)
    return json.loads(result.stdout)


def removed(generation, doc_id, version):
    return msgspec.structs.replace(removal(doc_id, version), generation=generation.name, space_id=SPACE.space_id)


def test_an_export_is_imported_once_whatever_the_shards_and_never_over_anything_newer(
    generation, other, rng, tmp_path
):
    source, target = generation.process(0, 1, 2), other.process(0, 1, 2, 3, 4)
    for process in (source, target):
        process.start()
    for process in (source, target):
        process.becomes_ready()
    documents = [
        item_set(rng, generation.doc(i), VERSION + i, spec=generation.spec, readers=("staff",) * (i % 2))
        for i in range(80)
    ]
    for document in documents:
        generation.feed(inline(document))
    generation.feed(removed(generation, documents[0].doc_id, VERSION + 500))
    wait_for("the source", lambda: source.readiness()[1]["items"] == 79 * 3)
    newer = item_set(rng, generation.doc(1), VERSION + 700, spec=other.spec)
    other.feed(inline(newer))
    other.feed(removed(other, documents[2].doc_id, VERSION + 700))
    wait_for("the target", lambda: target.readiness()[1]["items"] == 3)
    file = tmp_path / "index.parquet"

    assert call(generation, source, "export", str(file))["documents"] == 79
    exported = {document.doc_id: document for document in ItemFile(file).documents()}
    assert exported == {document.doc_id: document for document in documents[1:]}

    with pytest.raises(Conflict, match="--raise-epoch 2"):
        call(other, target, "import", str(file))
    assert target.readiness()[1]["items"] == 3
    with pytest.raises(Conflict, match="Restart"):
        call(other, target, "import", str(file), "--raise-epoch", "2")

    first = call(other, target, "import", str(file))
    again = call(other, target, "import", str(file))

    assert first == {"imported": 77, "already_there": 0, "newer_there": 2, "refused": 0}
    assert again == {"imported": 0, "already_there": 77, "newer_there": 2, "refused": 0}
    assert target.readiness()[1]["items"] == 78 * 3
    back = tmp_path / "back.parquet"
    assert call(other, target, "export", str(back), "--vectors", "float32")["documents"] == 78
    found = {document.doc_id: document for document in ItemFile(back).documents()}
    expected = {d.doc_id: msgspec.structs.replace(d, generation=other.name) for d in (newer, *documents[3:])}
    assert found == expected
    asyncio.run(objects(other).put(item_key(other.name, newer.doc_id, newer.version, 1), encode(newer)))
    report = call(other, target, "verify")
    assert report["agrees"], report
    assert sum(one["documents"] for one in report["shards"]) == 78
    assert {shard_of(doc_id, 5) for doc_id in found} == set(range(5))


def test_vectors_of_another_space_are_not_imported(generation, other, rng, tmp_path):
    process = other.process(0, 1, 2, 3, 4)
    process.start()
    process.becomes_ready()
    foreign = replace(generation.spec, space_id="another-space")
    with ItemWriter(tmp_path / "foreign.parquet", foreign, "float16") as writer:
        writer.write(item_set(rng, generation.doc(1), 1, spec=foreign))
    with pytest.raises(SpaceMismatch, match="another-space"):
        call(other, process, "import", str(tmp_path / "foreign.parquet"))
