"""Which documents one generation's stored items have and another's have not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from contracts.keys import ItemPlace, item_prefix, read_item_key
from runtime.object_store import ObjectStore

Order = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Differences:
    """What it takes to make `target` hold what `source` holds.

    Args:
        missing: documents of the source that the target lacks, or has in an older order.
        surplus: documents of the target that the source no longer has.
        n_documents: documents of the source.
    """

    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    n_documents: int


async def differences(store: ObjectStore, source: str, target: str) -> Differences:
    """Compare the newest stored items of two generations.

    The target is listed first. Whoever stores a document stores it for the source first, so one that is in the
    target's listing and not in the source's was removed, and has not just come.

    Raises:
        DependencyDown: the store does not answer.
    """
    there = await newest_orders(store, target)
    here = await newest_orders(store, source)
    return Differences(
        missing=tuple(sorted(doc_id for doc_id, order in here.items() if there.get(doc_id, (-1, -1)) < order)),
        surplus=tuple(sorted(there.keys() - here.keys())),
        n_documents=len(here),
    )


async def newest_orders(store: ObjectStore, generation: str) -> dict[str, Order]:
    """The highest (version, revision) stored of each document of a generation."""
    newest: dict[str, Order] = {}
    async for place in _places(store, item_prefix(generation)):
        if place.order > newest.get(place.doc_id, (-1, -1)):
            newest[place.doc_id] = place.order
    return newest


async def newest_order(store: ObjectStore, generation: str, doc_id: str) -> Order | None:
    """The highest (version, revision) stored of one document, None where there is nothing."""
    places = [place.order async for place in _places(store, item_prefix(generation, doc_id))]
    return max(places, default=None)


async def _places(store: ObjectStore, prefix: str) -> AsyncIterator[ItemPlace]:
    async for meta in store.list(prefix):
        place = read_item_key(meta.key)
        if place is not None:
            yield place
