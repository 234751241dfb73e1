"""Removes from the object store what newer versions have replaced and what deletes have ended. Safe to repeat."""

from collections.abc import Iterable

from contracts.documents import FileAdded
from contracts.errors import NotFound
from contracts.keys import embedding_checkpoint_key, half_key, item_prefix, picture_key
from runtime.object_store import ObjectMeta, ObjectStore

Order = tuple[int, int]


class Cleaner:
    """Takes old versions of documents out of the store. Its own version's objects are never touched."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def newest_items(self, generation: str, doc_id: str) -> Order | None:
        """The highest (version, revision) whose items are in the store, None where there are none."""
        orders = [_order(meta) for meta in await self._list(item_prefix(generation, doc_id))]
        return max((order for order in orders if order is not None), default=None)

    async def drop_items(self, generation: str, doc_id: str, *, before: Order) -> None:
        """Remove a document's items of lower (version, revision)."""
        for meta in await self._list(item_prefix(generation, doc_id)):
            order = _order(meta)
            if order is not None and order < before:
                await self._store.delete(meta.key)

    async def drop_halves(self, space_id: str, doc_id: str, *, before_version: int) -> None:
        """Remove a document's halves of lower versions."""
        await self._drop_versions(half_key(space_id, doc_id, 0, "text"), before_version)

    async def drop_derived(self, doc_id: str, *, before_version: int) -> None:
        """Remove pictures and thumbnails of lower versions."""
        await self._drop_versions(picture_key(doc_id, 0, 0), before_version)

    async def erase(
        self, document: FileAdded, version: int, *, generations: Iterable[str], spaces: Iterable[str]
    ) -> None:
        """Remove everything kept of a document that was deleted by `version`, the file itself included."""
        for generation in generations:
            await self.drop_items(generation, document.doc_id, before=(version, 0))
        for space_id in spaces:
            await self.drop_halves(space_id, document.doc_id, before_version=version)
        await self.drop_derived(document.doc_id, before_version=version)
        await self._drop_versions(embedding_checkpoint_key(document.doc_id, 0, "text"), version)
        await self._drop_file(document)

    async def _drop_file(self, document: FileAdded) -> None:
        """Remove the file, unless it was uploaded again meanwhile.

        Its key is the same for all versions. The delete names the etag that it saw and the store's own time of
        that object: on S3 a second upload of the same bytes has the same etag. No other clock has a say.
        """
        try:
            meta = await self._store.head(document.uri)
        except NotFound:
            return
        same_time = document.modified_ms in (None, meta.modified_ms)
        if document.etag is not None and meta.etag == document.etag and same_time:
            await self._store.delete(document.uri)

    async def _drop_versions(self, example_key: str, before_version: int) -> None:
        """Remove lower versions under `<prefix>/<version>/<name>`, of which `example_key` is one."""
        prefix = example_key.rsplit("/", 2)[0] + "/"
        for meta in await self._list(prefix):
            version = meta.key.removeprefix(prefix).split("/", 1)[0]
            if version.isdigit() and int(version) < before_version:
                await self._store.delete(meta.key)

    async def _list(self, prefix: str) -> list[ObjectMeta]:
        """A document's few objects, listed to the end before any is removed."""
        return [meta async for meta in self._store.list(prefix)]


def _order(meta: ObjectMeta) -> Order | None:
    """(version, revision) of an item set's key; None for a key of another form."""
    version, _, revision = meta.key.rsplit("/", 1)[-1].partition(".")
    return (int(version), int(revision)) if version.isdigit() and revision.isdigit() else None
