"""Other engines on the same data, each by its own API, and the core of a shard by the same program."""
