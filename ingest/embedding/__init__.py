"""Vectors of a document's rows (chunks, pictures), each made once.

In the order in which they are asked: what a checkpoint of this very document holds, what the cache remembers,
what another document is having computed at this moment, and the model. Knows nothing of Kafka or extraction.
"""
