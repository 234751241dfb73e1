"""A machine's words for a picture on their way from the item to the person who asked."""

import msgspec
import numpy as np

from cli.render import snippet
from gateway.core.hits import search_hit
from index_service.shard import Shard
from tests.index_service.building import SPEC, doc, item_set, put, query, query_vector


def test_a_hit_shows_the_words_and_says_that_they_are_a_machines() -> None:
    rng = np.random.default_rng(5)
    plain = item_set(rng, doc(0), 1, n_text=0, n_pictures=2)
    said = {"text": "", "machine_caption": "a dog on a beach", "captioned_by": "captioner@0123"}
    described, other = msgspec.structs.replace(plain.items[0], **said), plain.items[1]
    shard = Shard(SPEC)
    put(shard, msgspec.structs.replace(plain, items=(described, other)))
    [answer] = shard.search([query(query_vector(rng), 2)])
    shown = {
        hit.item_id: search_hit(1, hit, picture_url=None, thumbnail_url=None, document_url=None)
        for hit in answer.hits
    }
    assert (shown["p0"].machine_caption, shown["p0"].captioned_by) == ("a dog on a beach", "captioner@0123")
    assert (shown["p1"].machine_caption, shown["p1"].captioned_by) == (None, None)
    assert snippet(shown["p0"]) == "a dog on a beach (a machine's words)"
    assert snippet(shown["p1"]) == "picture 1"
