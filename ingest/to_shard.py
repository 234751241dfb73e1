"""Where an update of a document goes in a generation."""

from contracts.generations import Generation
from contracts.ids import shard_of
from contracts.items import IndexUpdate
from contracts.topics import index_updates
from ingest.work import Outgoing


def to_shard(generation: Generation, update: IndexUpdate) -> Outgoing:
    """The update as a record for the document's shard."""
    return Outgoing(
        index_updates(generation.name),
        update,
        key=update.doc_id,
        partition=shard_of(update.doc_id, generation.n_shards),
    )
