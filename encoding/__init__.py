"""Words and pictures to vectors: tokenise, pad to buckets, resize, call Triton or an embeddings API.

Used alike by gateway, ingest and benchmarks. Knows nothing of documents, queries or indexes.
"""
