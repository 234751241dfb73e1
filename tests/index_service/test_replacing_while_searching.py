"""A document that is replaced again and again while others search: all of one version or all of the next."""

import threading

import numpy as np

from index_service.shard import Shard
from index_service.upkeep import Upkeep
from tests.index_service.building import SPEC, doc, item_set, put, query, query_vector, removal
from tests.index_service.life import tiny, train_here

N_DOCUMENTS = 12
VERSIONS = 30
ITEMS = 5


def test_no_search_sees_items_of_two_versions_of_a_document_nor_a_part_of_one(tmp_path) -> None:
    shard = Shard(SPEC, tiny())
    upkeep = Upkeep(shard, tmp_path, train_here)
    written = threading.Event()
    seen: list[dict[str, list[int]]] = []

    def write() -> None:
        rng = np.random.default_rng(3)
        for version in range(1, VERSIONS):
            for number in range(N_DOCUMENTS):
                if (version + number) % 7 == 0:
                    shard.apply(removal(doc(number), version), None)
                else:
                    put(shard, item_set(rng, doc(number), version, n_text=ITEMS, n_pictures=0))
            upkeep.step()
        written.set()

    def search() -> None:
        rng = np.random.default_rng(4)
        while not written.is_set():
            [answer] = shard.search([query(query_vector(rng), N_DOCUMENTS * ITEMS * 2, exact=True)])
            versions: dict[str, list[int]] = {}
            for hit in answer.hits:
                versions.setdefault(hit.doc_id, []).append(hit.version)
            seen.append(versions)

    threads = [threading.Thread(target=work) for work in (write, search, search)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert written.is_set()
    assert len(seen) > 10
    for versions in seen:
        for doc_id, found in versions.items():
            assert (len(set(found)), len(found)) == (1, ITEMS), (doc_id, found)
