"""Index shards: they apply `index_updates`, hold the joint vectors in memory, and answer `search_req`.

The pure core (`shard` and what it imports) knows no Kafka, no clock and no network; `server` puts threads,
topics and files around it. Faiss is used here and nowhere else in the serving path.
"""
