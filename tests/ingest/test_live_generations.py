from collections.abc import Mapping

import pytest

from contracts.errors import BadMessage, DependencyDown
from contracts.generations import Generation
from ingest.live_generations import LogGenerations

SERVING = Generation(tenant="t", name="g", space_id="s", n_shards=3, state="serving", created_ms=1)


class Topic:
    """What a reading of the topic `index_generations` gives, or fails with."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def read(self, bootstrap: str, *, timeout_s: float) -> Mapping[str, Generation]:
        if self.error is not None:
            raise self.error
        return {SERVING.name: SERVING}


@pytest.mark.parametrize("error", [DependencyDown("kafka"), BadMessage("A record of a newer build.")])
async def test_what_was_known_last_serves_while_the_topic_cannot_be_read(error: Exception) -> None:
    topic, now_s = Topic(), 0.0
    known = LogGenerations("", keep_s=5, clock=lambda: now_s, read=topic.read)
    assert list(await known.all()) == [SERVING]
    topic.error, now_s = error, 6.0
    assert list(await known.all()) == [SERVING]


@pytest.mark.parametrize("error", [DependencyDown("kafka"), BadMessage("A record of a newer build.")])
async def test_a_topic_that_was_never_read_is_an_outage_and_no_fault_of_a_document(error: Exception) -> None:
    topic = Topic()
    topic.error = error
    with pytest.raises(DependencyDown):
        await LogGenerations("", read=topic.read).all()
